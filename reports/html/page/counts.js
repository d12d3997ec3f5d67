// Pixels per level, counted at full resolution: exact rates at a threshold.

const ORDINARY = 0;
const ANOMALOUS = 1;
const LEVELS = 256;

class Counts {
  // above[method][frame][kind][level]: pixels at or above that level; `set` has the sums over all frames.
  constructor(content) {
    const methods = content.methods.length;
    const size = content.frames.length;
    this.frames = size;
    this.above = wholeNumbers(content.counts);
    this.set = new Float64Array(methods * 2 * LEVELS);
    for (let at = 0; at < this.above.length; at += LEVELS) {
      for (let level = LEVELS - 2; level >= 0; level--) this.above[at + level] += this.above[at + level + 1];
      const row = at / LEVELS;
      const own = (Math.floor(row / (2 * size)) * 2 + (row % 2)) * LEVELS;
      for (let level = 0; level < LEVELS; level++) this.set[own + level] += this.above[at + level];
    }
  }

  // Rates of one frame, or of the set if `frame` is null.
  at(method, frame, level) {
    const where = frame === null ? this.set : this.above;
    const first = (frame === null ? method : method * this.frames + frame) * 2 * LEVELS;
    const count = (kind, from) => (from < LEVELS ? where[first + kind * LEVELS + from] : 0);
    const [found, wrong] = [count(ANOMALOUS, level), count(ORDINARY, level)];
    const [anomalous, ordinary] = [count(ANOMALOUS, 0), count(ORDINARY, 0)];
    return {
      found, wrong, anomalous, ordinary,
      precision: found / (found + wrong), recall: found / anomalous, fpr: wrong / ordinary,
    };
  }

  // The highest level at which a method finds at least as many anomalous pixels of the set (without any, in-distribution pixels).
  same(method, wanted, top) {
    const kind = wanted.anomalous ? "found" : "wrong";
    for (let level = top; level > 1; level--) {
      if (this.at(method, null, level)[kind] >= wanted[kind]) return level;
    }
    return 1;
  }

  // The area under the ROC curve of one frame; pixels of one level are ties.
  auroc(method, frame) {
    let [pairs, before] = [0, this.at(method, frame, LEVELS)];
    for (let level = LEVELS - 1; level >= 0; level--) {
      const here = this.at(method, frame, level);
      pairs += ((here.found + before.found) / 2) * (here.wrong - before.wrong);
      before = here;
    }
    return pairs / (before.anomalous * before.ordinary);
  }
}

const counted = new Map();
function counts() {
  if (!counted.has(benchmark())) counted.set(benchmark(), new Counts(benchmark()));
  return counted.get(benchmark());
}

// Frames without a stored score map: their counts can be known, and regions can't be found in them.
const withoutMap = (method) => benchmark().maps[method].filter((there) => !there).length;
const isStored = (method, frame) => benchmark().stored[method][frame] === 1;
