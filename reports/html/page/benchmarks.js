// Selection of the benchmark shown on the page.

function showBenchmark(index) {
  chosen.benchmark = index;
  for (const part of document.querySelectorAll("[data-benchmark]")) {
    part.hidden = part.dataset.benchmark !== benchmark().name;
  }
  // Without stored scores, only the tables are shown.
  const empty = benchmark().methods.length === 0;
  for (const id of ["curves", "frames", "worst", "differ"]) byId(id).hidden = empty;
  byId("unstored").hidden = !empty;
  if (empty) return;
  chosen.frame = 0;
  chosen.method = leader();
  toNamed(method().operating[0]?.name);
  changed("benchmark", "method", "frame", "level");
}

// The first method in the answer.
function leader() {
  const cards = [...document.querySelectorAll(".card")];
  const first = cards.find((card) => card.dataset.of === benchmark().name)?.querySelector("tbody th");
  const at = benchmark().methods.findIndex((one) => one.name === first?.dataset.name);
  return Math.max(at, 0);
}

byId("benchmarks").addEventListener("change", (event) => showBenchmark(Number(event.target.value)));
