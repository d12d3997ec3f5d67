// The threshold of the chosen method; those of the other methods follow it.

const topLevel = (one) => one.edges.length;

function toLevel(level) {
  chosen.linked = "recall";
  const wanted = counts().at(chosen.method, null, level);
  chosen.level = benchmark().methods.map((one, index) =>
    index === chosen.method ? level : counts().same(index, wanted, topLevel(one)),
  );
}

// Sets each method to its threshold of that name; methods without one follow by recall.
function toNamed(name) {
  const methods = benchmark().methods;
  const at = (one) => one.operating.find((each) => each.name === name)?.level;
  toLevel(at(method()) ?? Math.ceil(topLevel(method()) / 2));
  if (name === undefined) return;
  chosen.level = methods.map((one, index) => at(one) ?? chosen.level[index]);
  chosen.linked = name;
}

const NAMED = { calibrated: "Calibrated", test: "95 % recall", f1: "Best F1" };

function drawThreshold() {
  const one = method();
  for (const name of document.querySelectorAll(".method-name")) name.textContent = one.name;
  const level = chosen.level[chosen.method];
  const slider = byId("threshold");
  slider.max = topLevel(one);
  slider.value = level;
  const edge = one.edges[level - 1];
  byId("threshold-text").replaceChildren(element("data", { value: String(edge) }, score(edge)), rarityInWords(one, level));
  slider.setAttribute("aria-valuetext", byId("threshold-text").textContent);
  byId("presets").replaceChildren(...one.operating.map((each) => element("button", {
    type: "button", value: each.name, title: each.title, ariaPressed: String(chosen.linked === each.name),
    onclick: () => { toNamed(each.name); changed("level"); },
  }, NAMED[each.name])));
  const title = one.operating.find((each) => each.name === chosen.linked)?.title;
  byId("linked").textContent = benchmark().methods.length < 2 && !title ? "" : title
    ? `Each method is at its own threshold of this kind: ${title}.`
    : "The other methods are at the thresholds where they reach the same recall over all frames.";
}

function rarityInWords(one, level) {
  if (!benchmark().source) return "";
  const share = 10 ** one.position[level];
  if (one.position[level] <= 0) return " · most in-distribution pixels score as high";
  return ` · 1 in ${share >= 9999 ? "10 000 or fewer" : share < 10 ? share.toFixed(1) : whole(Math.round(share))} in-distribution pixels scores as high`;
}

function drawRates() {
  const rows = benchmark().methods.map((one, index) => {
    const level = chosen.level[index];
    const radio = element("input", {
      type: "radio", name: "method", value: String(index), checked: index === chosen.method, autocomplete: "off",
    });
    const own = isStored(index, chosen.frame) ? counts().at(index, chosen.frame, level) : null;
    const cells = [...rateCells(own), ...rateCells(counts().at(index, null, level))];
    const head = element("th", { scope: "row" }, element("label", {}, radio, element("span", {}, ...named(one))));
    return element("tr", { class: index === chosen.method ? "chosen" : "" }, head, ...cells);
  });
  const focused = document.activeElement?.name === "method";
  byId("rates").tBodies[0].replaceChildren(...rows);
  if (focused) byId("rates").querySelector(":checked").focus();
  const missing = benchmark().stored.map((row) => row.filter((there) => !there).length);
  const most = Math.max(0, ...missing);
  byId("coverage").textContent = most
    ? `Scores of up to ${most} of the ${benchmark().frames.length} frames are not stored. All counts are over the other frames.`
    : "";
}

function rateCells(rates) {
  if (!rates) return [0, 1, 2].map(() => element("td", { class: "number" }, "–"));
  const cell = (kind, value, ...text) => element("td", { class: "number" }, element(
    "data", { value: String(value), class: kind }, ...text));
  const wrong = cell("wrong", rates.wrong, whole(rates.wrong));
  wrong.append(element("span", { class: "share-of" }, `${percent(rates.fpr)} %`));
  return [
    cell("precision", rates.precision, percent(rates.precision)),
    cell("recall", rates.recall, percent(rates.recall)),
    wrong,
  ];
}

byId("threshold").addEventListener("input", (event) => {
  toLevel(Number(event.target.value));
  changed("level");
});
byId("rates").addEventListener("change", (event) => {
  chosen.method = Number(event.target.value);
  changed("method");
});

watch("benchmark method level", drawThreshold);
watch("benchmark method level frame", drawRates);
