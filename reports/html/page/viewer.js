// The frame with two layers and a movable divider, and all maps side by side.

const PHOTOGRAPH = "photograph";
const LABEL_LAYER = "label";
const CHOSEN = "chosen";

const layers = { left: PHOTOGRAPH, right: CHOSEN };

function fillLayers() {
  for (const side of ["left", "right"]) {
    const options = [[PHOTOGRAPH, "photograph"], [LABEL_LAYER, "label"], [CHOSEN, "selected method"]];
    benchmark().methods.forEach((one, index) => options.push([String(index), one.name]));
    byId(side).replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    if (!options.some(([value]) => value === layers[side])) layers[side] = CHOSEN;
    byId(side).value = layers[side];
  }
}

function layerMethod(layer) {
  if (layer === PHOTOGRAPH || layer === LABEL_LAYER) return null;
  return layer === CHOSEN ? chosen.method : Number(layer);
}

function layerName(layer) {
  const index = layerMethod(layer);
  return index === null ? layer : benchmark().methods[index].name;
}

function paintLayer(side) {
  const pane = byId(`pane-${side}`);
  const [image, canvas] = [pane.querySelector("img"), pane.querySelector("canvas")];
  const index = layerMethod(layers[side]);
  if (image.src !== shown.photograph) image.src = shown.photograph;
  image.alt = `${layerName(layers[side])} of ${shown.frame.id}`;
  pane.classList.toggle("grey", index !== null && chosen.mode === "outcome");
  canvas.hidden = layers[side] === PHOTOGRAPH;
  if (index !== null && shown.maps[index]) {
    const one = benchmark().methods[index];
    paintMap(canvas, shown.maps[index], shown.label, one.position, chosen.level[index], chosen.mode);
  } else if (layers[side] === LABEL_LAYER && shown.label) {
    fit(canvas, shown.label);
    const context = canvas.getContext("2d");
    const target = context.createImageData(canvas.width, canvas.height);
    paintLabel(target, shown.label.bytes);
    context.putImageData(target, 0, 0);
  } else canvas.hidden = true;
}

function drawViewer() {
  if (!shown.frame) return;
  paintLayer("left");
  paintLayer("right");
  byId("key-rarity").hidden = chosen.mode !== "rarity";
  byId("key-outcome").hidden = chosen.mode !== "outcome";
}

function drawName() {
  const frame = benchmark().frames[chosen.frame];
  const [height, width] = frame.size;
  const method = benchmark().stored.findIndex((row) => row[chosen.frame]);
  const anomalous = method < 0 ? 0 : counts().at(method, chosen.frame, 0).anomalous;
  const about = frame.labelled ? `, ${whole(anomalous)} anomalous pixels of ${width} × ${height}` : ", no labels";
  byId("frame-name").replaceChildren(element("b", {}, frame.id), element("span", { class: "soft" }, about));
  const source = benchmark().source;
  byId("scale-about").textContent = source
    ? `Share of in-distribution pixels that score as high (${source}). Grey: below the threshold.`
    : "Scaled from the 1st to the 99th percentile of each method's in-distribution scores. Grey: below the threshold.";
  byId("key-rarity").classList.toggle("plain", !source);
}

// Small pictures of the label and of each method.
let canvases = [];

function fillMultiples() {
  const plain = element("figure", {}, element("div", { class: "pane" }, element("img", { alt: "" }), element("canvas")),
    element("figcaption", {}, "Label"));
  const tiles = benchmark().methods.map((one, index) => {
    const button = element("button", { type: "button", class: "pane", ariaLabel: `Show ${one.name}` },
      element("img", { alt: "" }), element("canvas"));
    button.addEventListener("click", () => {
      chosen.method = index;
      changed("method");
    });
    return element("figure", {}, button, element("figcaption", {}, ...named(one), element("span", { class: "soft rate" })));
  });
  byId("multiples").replaceChildren(plain, ...tiles);
  canvases = [...byId("multiples").querySelectorAll("canvas")];
}

function paintMultiples() {
  if (!shown.frame || shown.frame !== benchmark().frames[chosen.frame]) return;
  for (const image of byId("multiples").querySelectorAll("img")) {
    if (image.src !== shown.photograph) image.src = shown.photograph;
  }
  const [label, ...maps] = canvases;
  label.hidden = !shown.label;
  if (shown.label) {
    fit(label, shown.label);
    const context = label.getContext("2d");
    const target = context.createImageData(label.width, label.height);
    paintLabel(target, shown.label.bytes);
    context.putImageData(target, 0, 0);
  }
  maps.forEach((canvas, index) => {
    const figure = canvas.closest("figure");
    figure.classList.toggle("chosen", index === chosen.method);
    canvas.parentElement.classList.toggle("grey", chosen.mode === "outcome");
    canvas.hidden = !shown.maps[index];
    const caption = figure.querySelector(".rate");
    if (canvas.hidden) {
      caption.textContent = " not stored";
      return;
    }
    const one = benchmark().methods[index];
    paintMap(canvas, shown.maps[index], shown.label, one.position, chosen.level[index], chosen.mode);
    const rates = counts().at(index, chosen.frame, chosen.level[index]);
    caption.textContent = rates.anomalous
      ? ` ${percent(rates.recall, 0)} % found, ${percent(rates.fpr, 0)} % false`
      : ` ${percent(rates.fpr, 0)} % false`;
  });
}

function wipe() {
  byId("compare").style.setProperty("--at", `${byId("wipe").value}%`);
  byId("wipe").setAttribute("aria-valuetext",
    `${byId("wipe").value} % ${layerName(layers.left)}, the rest ${layerName(layers.right)}`);
}

for (const side of ["left", "right"]) {
  byId(side).addEventListener("change", (event) => {
    layers[side] = event.target.value;
    changed("layers");
  });
}
byId("modes").addEventListener("change", (event) => {
  chosen.mode = event.target.value;
  changed("mode");
});
byId("wipe").addEventListener("input", wipe);

watch("benchmark", fillLayers);
watch("benchmark", fillMultiples);
watch("benchmark frame", drawName);
watch("pictures layers mode method level", drawViewer);
watch("pictures mode method level", soon(paintMultiples));
watch("benchmark layers", wipe);
