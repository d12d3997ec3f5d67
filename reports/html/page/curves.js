// Precision-recall and ROC curves from the set's counts per level.

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 420, height: 330, left: 42, right: 12, top: 10, bottom: 36 };
const hiddenCurves = new Set();

function svgElement(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const across = (value) => PLOT.left + value * (PLOT.width - PLOT.left - PLOT.right);
const along = (value, top = 1) => PLOT.top + (1 - value / top) * (PLOT.height - PLOT.top - PLOT.bottom);
const AXES = {
  pr: { across: "recall", along: "precision", names: ["Recall, %", "Precision, %"] },
  roc: { across: "fpr", along: "recall", names: ["False positive rate, %", "Recall, %"] },
};

function axes(names, top) {
  const parts = [];
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(svgElement("line", { class: "grid", x1: across(value), x2: across(value), y1: along(0), y2: along(1) }));
    parts.push(svgElement("line", { class: "grid", x1: across(0), x2: across(1), y1: along(value), y2: along(value) }));
    parts.push(svgElement("text", { x: across(value), y: along(0) + 15, "text-anchor": "middle" }, String(100 * value)));
    const height = String(Number((100 * value * top).toFixed(2)));
    parts.push(svgElement("text", { x: across(0) - 7, y: along(value) + 4, "text-anchor": "end" }, height));
  }
  const middle = { x: across(0.5), y: PLOT.height - 4, "text-anchor": "middle", class: "axis" };
  parts.push(svgElement("text", middle, names[0]));
  const turned = `rotate(-90 10 ${along(0.5)})`;
  parts.push(svgElement("text", { x: 10, y: along(0.5), "text-anchor": "middle", class: "axis", transform: turned }, names[1]));
  return parts;
}

// The points of one method's curve from the highest threshold down, without undefined ones.
const kept = new Map();
function points(index, kind) {
  const key = `${chosen.benchmark} ${index} ${kind}`;
  if (kept.has(key)) return kept.get(key);
  const found = [];
  kept.set(key, found);
  for (let level = topLevel(benchmark().methods[index]); level >= 0; level--) {
    const rates = counts().at(index, null, level);
    const place = [rates[AXES[kind].across], rates[AXES[kind].along]];
    if (place.every(Number.isFinite)) found.push({ level, place, rates });
  }
  return found;
}

// Upper end of the precision axis: it covers recall above 2 %; below, precision depends on a few pixels.
function topOf(kind) {
  if (kind !== "pr") return 1;
  const all = benchmark().methods.flatMap((_, index) => points(index, kind));
  const highest = Math.max(0, ...all.filter(({ place }) => place[0] >= 0.02).map(({ place }) => place[1]));
  return [0.02, 0.04, 0.1, 0.2, 0.4, 0.6, 0.8].find((end) => end >= highest) ?? 1;
}

function path(found, kind, top) {
  const start = kind === "roc" ? [{ place: [0, 0] }] : [];
  return [...start, ...found].map(({ place: [x, y] }, step) =>
    `${step ? "L" : "M"}${across(x).toFixed(2)} ${along(y, top).toFixed(2)}`).join("");
}

function marker(name, cx, cy, index) {
  const styled = { class: `point-${name} stroke-${index % 8}` };
  if (name === "calibrated") return svgElement("path", { ...styled, d: `M${cx} ${cy - 5}l5 5l-5 5l-5 -5z` });
  return svgElement("circle", { ...styled, cx, cy, r: name === "now" ? 6 : 4 });
}

// A marker, or nothing if the threshold has no point on the curve.
function placed(kind, name, index, level, top) {
  const rates = counts().at(index, null, level);
  const [x, y] = [rates[AXES[kind].across], rates[AXES[kind].along]];
  return Number.isFinite(x) && Number.isFinite(y) ? [marker(name, across(x), along(y, top), index)] : [];
}

const plotted = {};

function drawNow() {
  for (const [kind, { inside, top }] of Object.entries(plotted)) {
    const hidden = hiddenCurves.has(method().name);
    const marks = hidden ? [] : placed(kind, "now", chosen.method, chosen.level[chosen.method], top);
    inside.querySelector(".now").replaceChildren(...marks);
  }
}

function drawCurve(kind) {
  const { names } = AXES[kind];
  const [view, top] = [`0 0 ${PLOT.width} ${PLOT.height}`, topOf(kind)];
  const picture = svgElement("svg", { viewBox: view, role: "img", "aria-label": `${names[1]} over ${names[0]}` }, ...axes(names, top));
  // Points above the axis are clipped.
  const inside = svgElement("svg", { x: 0, y: PLOT.top - 6, width: PLOT.width, height: along(0) - PLOT.top + 12,
    viewBox: `0 ${PLOT.top - 6} ${PLOT.width} ${along(0) - PLOT.top + 12}` });
  picture.append(inside);
  benchmark().methods.forEach((one, index) => {
    if (hiddenCurves.has(one.name)) return;
    const found = points(index, kind);
    const emphasis = index === chosen.method ? " chosen" : "";
    inside.append(svgElement("path", {
      class: `curve stroke-${index % 8}${index >= 4 ? " dashed" : ""}${emphasis}`, d: path(found, kind, top),
    }));
    for (const { name, level } of one.operating) inside.append(...placed(kind, name, index, level, top));
  });
  inside.append(svgElement("g", { class: "now" }));
  plotted[kind] = { inside, top };
  picture.addEventListener("pointermove", (event) => readOut(event, picture, kind, top));
  byId(`plot-${kind}`).replaceChildren(picture);
}

// Shows the point of a curve nearest to the pointer.
function readOut(event, picture, kind, top) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
  let nearest = { distance: 400 };
  benchmark().methods.forEach((one, index) => {
    if (hiddenCurves.has(one.name)) return;
    for (const { level, place, rates } of points(index, kind)) {
      const distance = (across(place[0]) - at.x) ** 2 + (along(place[1], top) - at.y) ** 2;
      if (level > 0 && distance < nearest.distance) nearest = { distance, one, level, rates };
    }
  });
  const { one, level, rates } = nearest;
  byId("readout").textContent = one
    ? `${one.name} at ${score(one.edges[level - 1])}: precision ${percent(rates.precision)}, recall ${percent(rates.recall)}, false positive rate ${percent(rates.fpr)}`
    : "";
}

function drawLegend() {
  byId("legend").replaceChildren(...benchmark().methods.map((one, index) => {
    const box = element("input", { type: "checkbox", checked: !hiddenCurves.has(one.name), autocomplete: "off" });
    box.addEventListener("change", () => {
      if (box.checked) hiddenCurves.delete(one.name);
      else hiddenCurves.add(one.name);
      drawCurves();
    });
    const sample = svgElement("svg", { class: "sample", viewBox: "0 0 28 8", "aria-hidden": "true" },
      svgElement("path", { class: `curve stroke-${index % 8}${index >= 4 ? " dashed" : ""}`, d: "M0 4L28 4" }));
    return element("label", {}, box, sample, one.name);
  }));
}

function drawCurves() {
  drawCurve("pr");
  drawCurve("roc");
  drawNow();
}

watch("benchmark", drawLegend);
watch("benchmark method", drawCurves);
watch("level", drawNow);
