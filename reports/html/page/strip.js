// Thumbnails of all frames: searchable by name, and ordered by the chosen method's rates at its threshold.

const ORDERS = {
  set: null,
  recall: (rates) => rates.recall,
  precision: (rates) => rates.precision,
  false: (rates) => -rates.wrong,
};

function goTo(frame) {
  chosen.frame = frame;
  changed("frame");
}

function fillStrip() {
  const tiles = benchmark().frames.map((frame, index) => {
    const picture = element("img", { src: frame.thumbnail, alt: "", loading: "lazy", decoding: "async" });
    const button = element("button", { type: "button", title: frame.id }, picture,
      element("span", { class: "name" }, frame.id), element("span", { class: "soft rate" }));
    button.addEventListener("click", () => goTo(index));
    return element("li", { "data-frame": String(index) }, button);
  });
  byId("strip").replaceChildren(...tiles);
}

const tiles = () => [...byId("strip").children];
const frameOf = (tile) => Number(tile.dataset.frame);

function orderStrip() {
  const rank = ORDERS[byId("order").value];
  const rates = (tile) => counts().at(chosen.method, frameOf(tile), chosen.level[chosen.method]);
  const value = (tile) => {
    const found = rank(rates(tile));
    return Number.isFinite(found) && isStored(chosen.method, frameOf(tile)) ? found : Infinity;
  };
  const ordered = tiles().map((tile) => [rank ? value(tile) : 0, tile]);
  ordered.sort(([a, one], [b, other]) => (a === b ? 0 : a - b) || frameOf(one) - frameOf(other));
  if (ordered.some(([, tile], place) => byId("strip").children[place] !== tile)) {
    const focused = document.activeElement;
    byId("strip").append(...ordered.map(([, tile]) => tile));
    if (byId("strip").contains(focused)) focused.focus();
  }
  for (const tile of tiles()) {
    const own = rates(tile);
    tile.querySelector(".rate").textContent = !isStored(chosen.method, frameOf(tile)) ? "not stored"
      : own.anomalous ? `${percent(own.recall, 0)} % found, ${percent(own.fpr, 0)} % false`
      : `${percent(own.fpr, 0)} % false`;
  }
}

function findFrames() {
  const wanted = byId("find").value.trim().toLowerCase();
  let left = 0;
  for (const tile of tiles()) {
    tile.hidden = !benchmark().frames[frameOf(tile)].id.toLowerCase().includes(wanted);
    left += tile.hidden ? 0 : 1;
  }
  byId("found").textContent = `${left} of ${benchmark().frames.length} frames`;
}

function markStrip() {
  for (const tile of tiles()) {
    tile.firstElementChild.ariaCurrent = frameOf(tile) === chosen.frame ? "true" : "false";
  }
}

// The next or the previous one among the shown frames, in their order.
function step(by) {
  const there = tiles().filter((tile) => !tile.hidden);
  const at = there.findIndex((tile) => frameOf(tile) === chosen.frame);
  const next = there[Math.min(Math.max(at + by, 0), there.length - 1)];
  if (next) goTo(frameOf(next));
  return next;
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("strip").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(by)?.firstElementChild.focus();
});
byId("find").addEventListener("input", findFrames);
byId("order").addEventListener("change", orderStrip);

// Many frames are sorted only when the slider rests.
let resting = 0;
function orderSoon() {
  clearTimeout(resting);
  resting = setTimeout(orderStrip, 150);
}

watch("benchmark", () => {
  fillStrip();
  findFrames();
});
watch("benchmark method level", orderSoon);
watch("benchmark frame", markStrip);
