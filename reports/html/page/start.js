// Shows the page once everything is loaded.

drawScale();
refilter();
if (DATA.benchmarks.length) showBenchmark(0);
openProvenance();
