// Everything is there: show it.

drawScale();
refilter();
if (DATA.benchmarks.length) showBenchmark(0);
openProvenance();
