"""Measured and published numbers in one table: distinguished, each with its source and protocol."""

from __future__ import annotations

import csv
import io
import json

import pytest

from oodbench.contracts import PublishedResult, Requirements
from oodbench.registry import Registry
from oodbench.reports.tables.build import results_tables
from oodbench.testing.fake_run import HandmadeRun, make_result

REGISTRY = Registry()


def make_published(method: str, source: str, benchmark: str = "road-anomaly", **changes: object) -> PublishedResult:
    content: dict[str, object] = {
        "method": method,
        "network": "R_101",
        "benchmark": benchmark,
        "metrics": {"AP": 0.2582},
        "source": source,
        "reference": f"A book, {source}",
        "confirmed": True,
        "protocol": "pebal",
        "requirements": Requirements(ood_data=True),
    }
    return PublishedResult.model_validate(content | changes)


OTHERS = [
    make_published("SML & co", "table 1", metrics={"AP": 0.2582, "FPR95": 0.4974}),
    make_published("SML & co", "table 2", metrics={"AP": 0.2583}),
    make_published("GMMSeg", "memory", network="", protocol="", confirmed=False, metrics={"AP": 0.5, "AUROC": 0.9}),
]
VIEW = HandmadeRun([make_result("msp", 0.2, 0.5), make_result("given", 0.4, None, label="KNN")], published=OTHERS)
NOTES = """\
Frames: road-anomaly 3.
road-anomaly: 3 of 60 frames
Published lines are from other sources, on the network and under the protocol that they name, and not ranked.
? after a number: unconfirmed, recalled and not yet found in the source.
table 1: A book, table 1.
table 2: A book, table 2.
memory: A book, memory.
SML & co on road-anomaly: AP is 25.82 by table 1, 25.83 by table 2.
"""
SCORED = "lass maps resized to the label resolution and scored there, features scored on their grid"


def test_plain_text_lists_published_numbers_below_without_a_rank() -> None:
    text = f"""\
                                                      road-anomaly
Method    Network  Source            Protocol             AP ↑  FPR95 ↓
───────────────────────────────────────────────────────────────────────
MSP       net      measured          pooled             20.00+   50.00
KNN       net      measured          pooled             40.00*       -
───────────────────────────────────────────────────────────────────────
SML & co  R_101    table 1, table 2  pebal      25.82 / 25.83    49.74
GMMSeg    ?        memory            ?                  50.00?       -

Method    Network  Source            Protocol   Retraining  Extra network  OoD data
───────────────────────────────────────────────────────────────────────────────────
MSP       net      measured          pooled     -           -              -
KNN       net      measured          pooled     ?           ?              ?
───────────────────────────────────────────────────────────────────────────────────
SML & co  R_101    table 1, table 2  pebal      ?           ?              yes
GMMSeg    ?        memory            ?          ?           ?              yes

class maps resized to the label resolution and scored there, features scored on their grid;
protocol pooled; percent. * best, + second.
{NOTES}"""
    assert REGISTRY.report("terminal").text(VIEW) == text


def test_markdown_has_published_numbers_in_italics() -> None:
    lines = REGISTRY.report("markdown").text(VIEW).splitlines()
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:1] + lines[2:6]] == [
        ["Method", "Network", "Retraining", "Extra network", "OoD data", "Source", "Protocol",
         "road-anomaly AP ↑", "road-anomaly FPR95 ↓"],
        ["MSP", "net", "-", "-", "-", "measured", "pooled", "<u>20.00</u>", "50.00"],
        ["KNN", "net", "?", "?", "?", "measured", "pooled", "**40.00**", "-"],
        ["*SML & co*", "R_101", "?", "?", "yes", "table 1, table 2", "pebal", "*25.82 / 25.83*", "*49.74*"],
        ["*GMMSeg*", "?", "?", "?", "yes", "memory", "?", "*50.00?*", "-"],
    ]  # fmt: skip
    assert lines[7] == f"C{SCORED}; protocol pooled; percent. **Best**, <u>second</u>, *published*."
    assert lines[9:] == [f"- {note}" for note in NOTES.splitlines()]


def test_latex_has_published_numbers_below_a_rule() -> None:
    text = r"""\begin{tabular}{lllllllrr}
\toprule
\multicolumn{7}{c}{} & \multicolumn{2}{c}{road-anomaly \& \textless{}title\textgreater{}, 3 of 60 frames} \\
Method & Network & Retraining & Extra network & OoD data & Source & Protocol & AP $\uparrow$ & FPR95 $\downarrow$ \\
\midrule
MSP & net & - & - & - & measured & pooled & \underline{20.00} & 50.00 \\
KNN & net & ? & ? & ? & measured & pooled & \textbf{40.00} & -- \\
\midrule
SML \& co & R\_101 & ? & ? & yes & table 1, table 2 & pebal & \textit{25.82 / 25.83} & \textit{49.74} \\
GMMSeg & ? & ? & ? & yes & memory & ? & \textit{50.00?} & -- \\
\bottomrule
\end{tabular}
"""
    notes = f"c{SCORED}; protocol pooled; percent\n{NOTES}"
    assert REGISTRY.report("latex").text(VIEW) == "".join(f"% {note}\n" for note in notes.splitlines()) + text


def test_each_line_of_the_csv_has_one_source() -> None:
    lines = list(csv.DictReader(io.StringIO(REGISTRY.report("csv").text(VIEW))))
    columns = ("label", "origin", "source", "confirmed", "protocol", "ood_data", "AP", "seed")
    assert [tuple(line[column] for column in columns) for line in lines] == [
        ("MSP", "measured", "", "", "pooled", "False", "0.2", "0"),
        ("KNN", "measured", "", "", "pooled", "", "0.4", "0"),
        ("SML & co", "published", "table 1", "True", "pebal", "True", "0.2582", ""),
        ("SML & co", "published", "table 2", "True", "pebal", "True", "0.2583", ""),
        ("GMMSeg", "published", "memory", "False", "", "True", "0.5", ""),
    ]


def test_json_has_results_and_published_numbers() -> None:
    content = json.loads(REGISTRY.report("json").text(VIEW))
    assert [entry["requirements"]["ood_data"] for entry in content["rows"]] == [False, None]
    assert [entry["metrics"]["AP"] for entry in content["rows"]] == [0.2, 0.4]
    assert [PublishedResult.model_validate(entry) for entry in content["published"]] == OTHERS


def test_published_numbers_of_other_benchmarks_have_a_separate_table() -> None:
    rows = [make_result("msp", 0.2, 0.5), make_result("msp", 0.3, 0.5, protocol={"name": "caos"})]
    elsewhere = make_published("SML", "table 1", "hidden-test", metrics={"FPR95": 0.125, "AP": 0.5})
    first, second, alone = results_tables(HandmadeRun(rows, published=[*OTHERS, elsewhere]))
    assert [len(table.published) for table in (first, second, alone)] == [2, 2, 1]
    assert alone.lines == ()
    assert [(column.frames, column.spec.name) for column in alone.columns] == [
        ("hidden-test", "AP"), ("hidden-test", "FPR95"),
    ]  # fmt: skip
    assert alone.published[0].cells == ["50.00", "12.50"]


def test_published_miou_is_in_the_row_of_its_method() -> None:
    miou = {"benchmark": "cityscapes val", "metrics": {"mIoU": 0.803}, "protocol": ""}
    others = [OTHERS[0], make_published("SML & co", "table 3", **miou), make_published("MSP", "table 3", **miou)]
    quality = {"net": {"miou": 0.7, "ece": None, "dataset": "cityscapes", "split": "val", "frames": 5}}
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5)], quality=quality, published=others))
    shown = table.select(["closed-set", "anomaly"])
    assert [(line.method, line.source, line.cells) for line in shown.published] == [
        ("SML & co", "table 1, table 3", ["80.30", "25.82", "49.74"])
    ]


def test_sources_of_different_protocols_or_networks_never_share_a_line() -> None:
    others = [
        OTHERS[0],
        make_published("SML & co", "table 1", protocol="caos"),
        make_published("SML & co", "table 1", network="R_38"),
    ]
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5)], published=others))
    assert [(line.network, line.protocol) for line in table.published] == [
        ("R_101", "pebal"), ("R_101", "caos"), ("R_38", "pebal"),
    ]  # fmt: skip


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_number_is_confirmed_if_any_source_confirms_it(confirmed: bool) -> None:
    others = [make_published("SML", "memory", confirmed=False), make_published("SML", "table 1", confirmed=confirmed)]
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5)], published=others))
    assert table.published[0].cells[0] == ("25.82" if confirmed else "25.82?")


def test_there_is_no_column_for_unused_training_signals() -> None:
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5), make_result("entropy", 0.2, 0.5)]))
    assert table.heads() == ["Method"]
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5), make_result("given", 0.2, 0.5)]))
    assert table.heads() == ["Method", "Retraining", "Extra network", "OoD data"]
