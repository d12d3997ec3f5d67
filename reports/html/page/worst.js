// The worst cases of the chosen method: frames, objects, false alarms. Each links to its frame.

const WORST_FRAMES = 6;

function show(frame, right) {
  if (right !== undefined) Object.assign(layers, right);
  fillLayers();
  goTo(frame);
  changed("layers");
  byId("frames").scrollIntoView();
  byId("frames-head").focus({ preventScroll: true });
}

function frameTile(index, right, ...about) {
  const frame = benchmark().frames[index];
  const button = element("button", { type: "button" },
    element("img", { src: frame.thumbnail, alt: "", loading: "lazy" }), element("span", { class: "name" }, frame.id));
  button.addEventListener("click", () => show(index, right));
  return element("li", {}, button, element("p", { class: "small" }, ...about));
}

function worstFrames() {
  const found = benchmark().frames.flatMap((_, frame) => {
    const value = isStored(chosen.method, frame) ? counts().auroc(chosen.method, frame) : NaN;
    return Number.isFinite(value) ? [{ frame, value }] : [];
  });
  return found.sort((a, b) => a.value - b.value).slice(0, WORST_FRAMES).map(({ frame, value }) =>
    frameTile(frame, { right: CHOSEN }, `AUROC ${percent(value)}`));
}

function cropTile(region, about) {
  const [left, top, width, height] = region.box;
  const box = () => svgElement("svg", { class: "box", "aria-hidden": "true" },
    svgElement("rect", { x: `${left}%`, y: `${top}%`, width: `${width}%`, height: `${height}%` }));
  const canvas = element("canvas");
  const level = method().operating[0].level;
  const position = method().position;
  decoded(region.map).then((map) => paintMap(canvas, map, null, position, level, "rarity"));
  const name = benchmark().frames[region.frame].id;
  const button = element("button", { type: "button", class: "crops" },
    element("span", { class: "pane" }, element("img", { src: region.photograph, alt: "" }), box()),
    element("span", { class: "pane" }, canvas, box()), element("span", { class: "name" }, name));
  button.addEventListener("click", () => show(region.frame, { right: CHOSEN }));
  return element("li", {}, button, element("p", { class: "small" }, about));
}

function group(title, about, items, nothing) {
  const list = items.length ? element("ol", { class: "tiles" }, ...items) : element("p", { class: "small soft" }, nothing);
  return [element("h3", {}, title, " ", element("span", { class: "soft" }, about)), list];
}

function drawWorst() {
  const { objects, alarms } = benchmark().worst[chosen.method];
  const least = benchmark().smallest;
  const missing = withoutMap(chosen.method);
  const unknown = `The score maps of ${missing} of the ${benchmark().frames.length} frames are not stored, so nothing can be cut out of them (--keep-scores all).`;
  const at = method().operating[0]?.title ?? "none";
  byId("worst-cases").replaceChildren(
    ...group("Frames", "lowest AUROC of their pixels", worstFrames(), "No frame has both anomalous and in-distribution pixels."),
    ...group("Objects", `lowest recall, of ${least} pixels or more; threshold: ${at}`,
      objects.map((region) => cropTile(region,
        `${percent(region.called / region.pixels, 0)} % of ${whole(region.pixels)} pixels found`)), missing ? unknown : "No object is labelled."),
    ...group("False alarms", `largest, of ${least} pixels or more; threshold: ${at}`,
      alarms.map((region) => cropTile(region, `${whole(region.pixels)} pixels`)), missing ? unknown : `No false alarm has ${least} pixels or more.`),
    ...(missing && objects.length + alarms.length ? [element("p", { class: "small soft" }, unknown)] : []),
  );
}

watch("benchmark method", drawWorst);
