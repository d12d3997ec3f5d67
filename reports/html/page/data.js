"use strict";
// Embedded data of the page, and the current selection.

const DATA = JSON.parse(document.getElementById("data").textContent);

const byId = (id) => document.getElementById(id);

function unpacked(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
}
const wholeNumbers = (text) => new Uint32Array(unpacked(text).buffer);

// level: level of each method's threshold; linked: how thresholds are linked.
const chosen = { benchmark: 0, method: 0, frame: 0, level: [], linked: "recall", mode: "rarity" };

const benchmark = () => DATA.benchmarks[chosen.benchmark];
const method = () => benchmark().methods[chosen.method];

// Parts of the page register here for changes; each kind of change is announced once.
const watchers = [];
const watch = (kinds, redraw) => watchers.push({ kinds: kinds.split(" "), redraw });
function changed(...kinds) {
  for (const { kinds: own, redraw } of watchers) {
    if (own.some((kind) => kinds.includes(kind))) redraw();
  }
}

// Work that takes longer than a slider's step runs once per animation frame.
function soon(redraw) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      redraw();
    });
  };
}

// Creates an element with properties and children; text is never parsed as HTML.
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A method's name, with its network on a separate line if there are several.
function named(one) {
  return one.name === one.label ? [one.label] : [one.label, element("span", { class: "network" }, one.network)];
}

const percent = (share, digits = 1) => (Number.isFinite(share) ? (100 * share).toFixed(digits) : "–");
const whole = (count) => count.toLocaleString("en");
const score = (value) => {
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
  return text.replace("-", "−");
};

// A frame's pictures, in an element of this page or in a separate file.
const frames = new Map();
const waiting = new Map();
function oodbenchFrame(number, pictures) {
  frames.set(number, pictures);
  waiting.get(number)?.(pictures);
}

function pictures(number) {
  if (!frames.has(number)) {
    frames.set(number, DATA.separate ? fromFile(number) : fromPage(number));
  }
  return frames.get(number);
}

async function fromPage(number) {
  const there = () => byId(`frame-${number}`);
  if (!there() && document.readyState === "loading") {
    await new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
  }
  return JSON.parse(there().textContent);
}

function fromFile(number) {
  return new Promise((done) => {
    waiting.set(number, done);
    const nonce = document.querySelector("script[nonce]").nonce;
    document.head.append(element("script", { src: `frames/${number}.js`, nonce }));
  });
}
