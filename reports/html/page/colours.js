// Colours of levels. All maps share one scale: how rare a score is among in-distribution pixels.

const SCALE = unpacked(DATA.colours);
const RAREST = 4;

const OUTCOME = { found: [47, 143, 224], missed: [245, 230, 99], false: [224, 86, 43] };
const LABEL = { anomaly: [255, 122, 0, 166], void: [0, 0, 0, 170] };

const rgba = (red, green, blue, alpha = 255) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function colourOf(position) {
  const at = 3 * Math.min(255, Math.round((255 * position) / RAREST));
  return [SCALE[at], SCALE[at + 1], SCALE[at + 2]];
}

// Maps levels to colours; levels below the threshold are grey.
function rarityTable(position, level) {
  return Uint32Array.from(position, (place, own) => {
    const [red, green, blue] = colourOf(place);
    if (own >= level) return rgba(red, green, blue);
    const grey = Math.round(26 + 0.5 * (0.3 * red + 0.59 * green + 0.11 * blue));
    return rgba(grey, grey, grey + 4);
  });
}

// Converts bytes of levels, and of labels for the outcome mode, to pixels.
function paint(target, levels, label, position, level, mode) {
  const pixels = new Uint32Array(target.data.buffer);
  if (mode === "rarity" || !label) {
    const table = rarityTable(position, level);
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[levels[i]];
    return;
  }
  const [found, missed, wrong] = ["found", "missed", "false"].map((name) => rgba(...OUTCOME[name], 200));
  for (let i = 0; i < pixels.length; i++) {
    const above = levels[i] >= level;
    if (label[i] === 0) pixels[i] = above ? wrong : 0;
    else if (label[i] === 255) pixels[i] = rgba(0, 0, 0, 120);
    else pixels[i] = above ? found : missed;
  }
}

function paintLabel(target, label) {
  const pixels = new Uint32Array(target.data.buffer);
  const [anomaly, nothing] = [rgba(...LABEL.anomaly), rgba(...LABEL.void)];
  for (let i = 0; i < pixels.length; i++) pixels[i] = label[i] === 0 ? 0 : label[i] === 255 ? nothing : anomaly;
}

function drawScale() {
  const context = byId("scale").getContext("2d");
  const strip = context.createImageData(256, 1);
  for (let at = 0; at < 256; at++) strip.data.set([SCALE[3 * at], SCALE[3 * at + 1], SCALE[3 * at + 2], 255], 4 * at);
  context.putImageData(strip, 0, 0);
}
