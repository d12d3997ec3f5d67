// Pixels that only one of two methods calls anomalous, counted at full resolution, each method at its own threshold.

const DIFFERENT_FRAMES = 6;
const overlapping = new Map();

function overlap(frame, kind, first, second) {
  if (!overlapping.has(benchmark())) overlapping.set(benchmark(), wholeNumbers(benchmark().overlaps));
  const size = benchmark().methods.length;
  return overlapping.get(benchmark())[((frame * 2 + kind) * size + first) * size + second];
}

// Pixels that only the first method calls anomalous.
const alone = (frame, kind, first, second) => overlap(frame, kind, first, first) - overlap(frame, kind, first, second);

function fillDiffer() {
  const names = benchmark().methods.map((one) => one.name);
  ["differ-first", "differ-second"].forEach((id, place) => {
    byId(id).replaceChildren(...names.map((name, value) => element("option", { value: String(value) }, name)));
    byId(id).value = String(place ? (chosen.method === 0 && names.length > 1 ? 1 : 0) : chosen.method);
  });
  byId("differ").hidden = names.length < 2;
}

function drawDiffer() {
  const [first, second] = ["differ-first", "differ-second"].map((id) => Number(byId(id).value));
  const methods = benchmark().methods;
  if (methods.length < 2) return;
  const by = (index, side) => [element("span", { class: `swatch ${side}` }), `only ${methods[index].name}`];
  byId("differ-about").replaceChildren(...first === second ? ["Select two different methods."] : [
    "Pixels that one of the two methods calls anomalous: ", ...by(first, "one"), " or ", ...by(second, "other"),
    `. Each method is at its own threshold: ${methods[first].operating[0]?.title ?? "none"}.`,
  ]);
  const missing = Math.max(withoutMap(first), withoutMap(second));
  if (missing) byId("differ-about").append(` The score maps of ${missing} of the ${benchmark().frames.length} frames are not stored, and are not compared.`);
  const found = benchmark().frames.flatMap((_, frame) => {
    if (first === second || !isStored(first, frame) || !isStored(second, frame)) return [];
    const both = [ORDINARY, ANOMALOUS].flatMap((kind) => [alone(frame, kind, first, second), alone(frame, kind, second, first)]);
    const pixels = both.reduce((sum, value) => sum + value);
    return pixels ? [{ frame, both, pixels }] : [];
  });
  found.sort((a, b) => b.pixels - a.pixels);
  byId("differ-frames").replaceChildren(...found.slice(0, DIFFERENT_FRAMES).map(({ frame, both }) => {
    const [wrongFirst, wrongSecond, rightFirst, rightSecond] = both;
    return frameTile(frame, { left: String(first), right: String(second) },
      split("Anomalous", rightFirst, rightSecond), split("In-distribution", wrongFirst, wrongSecond));
  }));
}

// Two numbers, and a bar that is divided in their ratio.
function split(title, one, other) {
  const bar = svgElement("svg", { class: "split", "aria-hidden": "true" },
    svgElement("rect", { width: `${(100 * one) / (one + other || 1)}%`, height: "100%" }));
  return element("span", { class: "pair" }, element("b", {}, title), bar,
    element("span", {}, whole(one)), element("span", {}, whole(other)));
}

for (const id of ["differ-first", "differ-second"]) byId(id).addEventListener("change", drawDiffer);

watch("benchmark", () => {
  fillDiffer();
  drawDiffer();
});
