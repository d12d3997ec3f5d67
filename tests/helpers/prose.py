"""Texts that users and developers read, and the rules for their English."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from oodbench.cli.main import app
from oodbench.cli.options import ModelCommand

ROOT = Path(__file__).parents[2]
LONGEST = 30
"""Maximum number of words per sentence."""

WORDS = {
    r"anew": "again, from scratch",
    r"mend(s|ed|ing)?": "fix",
    r"(goes|go|going|went) on( with)?(?! (to|a|an|the)\b)": "resume, continue",
    r"lies?": "is, is stored in",
    r"stands? (in|below|above|beside|next|once|there|with|together|under|alone)": "is, is described in",
    r"beside": "next to, in addition to",
    r"of (its|one's|their|your|our|his) own(?=\s*([.,;:)|]|$|(and|or|in|with|that|is|are|to|for|on|at|by|from)\b))": (
        "its own, custom, separate"
    ),
    r"what (a |an |the |each )?\w+ (has|gives)(?! (\w+e[dn]|done|made|read)\b)": "the X's output, the contents of X",
    r"(?<!there )(is|are) no (?!longer|more|less|larger|better|worse)[a-z]+": "is not a",
    r"(told|tells?|telling|tell [\w ]{1,30}) apart": "distinguish",
    r"drawn (ones?|worlds?|frames?|data|sets?|networks?|benchmarks?|objects?|images?|scenes?|pixels?)": (
        "synthetic, sampled, rendered"
    ),
    r"looks? again": "second pass",
    r"(is|are|be) in order(?! (to|of)\b)": "valid, intact",
    r"pieces?": "shard, part",
    r"twins?": "reduced recipes",
    r"strat(a|um)": "breakdown, group",
    r"data sets?": "benchmark, dataset",
    r"embedded network": "bundled model",
    r"(some|any|no)body('s)?": "a third party, any, no",
}
"""Patterns of words to avoid, and what to write instead. The style rules are in CONTRIBUTING.md."""

_WORDS = {re.compile(rf"(?<![\w-]){pattern}(?![\w-])", re.IGNORECASE): word for pattern, word in WORDS.items()}
_BARE_FRACTION = re.compile(r"(?<![\w.\])}/*:-])\.\d+\b")

_ROOT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
_FOLDERS = ("oodbench", "methods", "benchmarks", "reports", "tools")
_CODE = re.compile(r"``.*?``|`[^`]*`|https?://\S+|\]\([^)]*\)|<[^<>\n]*>|\{[^{}\n]*\}", re.DOTALL)
_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)

# Errors whose text the class completes.
_COMPLETED = {"UnknownNameError", "MissingExtraError"}


class Text(NamedTuple):
    """A text and where it is."""

    place: str
    text: str


def find_avoided_words(text: str) -> list[str]:
    """List the words to avoid in a text, each with its replacement. Code, addresses and placeholders are skipped."""
    prose = _CODE.sub(" X ", text)
    patterns = [*_WORDS.items(), (_BARE_FRACTION, "a zero before the point")]
    return [
        f"'{' '.join(prose[max(0, match.start() - 25) : match.end() + 15].split())}': {word}"
        for pattern, word in patterns
        for match in pattern.finditer(prose)
    ]


def find_long_sentences(text: str, ends: str = ".!?;") -> list[str]:
    """List the sentences of more than `LONGEST` words.

    Args:
        text: One paragraph.
        ends: Characters that end a sentence if white space follows. A semicolon separates the items of a list.
    """
    prose = re.sub(r"\s+", " ", _CODE.sub("X", text))
    sentences = re.split(rf"(?<=[{ends}])[\")']?\s+", prose)
    return [sentence for sentence in sentences if len(re.findall(r"[^\s]*\w[^\s]*", sentence)) > LONGEST]


def python_files() -> list[Path]:
    """List the Python files of the package, its plugins and its tools."""
    links = {ROOT / "oodbench" / name for name in _FOLDERS}
    return [
        path
        for folder in _FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not links.intersection(path.parents)
    ]


def page_files() -> list[Path]:
    """List the pages of the documentation, and the templates and scripts of the HTML report."""
    page = ROOT / "reports" / "html" / "page"
    pages = [
        *(ROOT / name for name in _ROOT_PAGES),
        *(ROOT / "docs").rglob("*.md"),
        *page.glob("*.j2"),
        *page.glob("*.js"),
    ]
    return sorted(pages)


def strip_code_blocks(text: str) -> str:
    """Remove fenced and indented code blocks from Markdown."""
    lines = _FENCE.sub("", text).split("\n")
    kept, previous = [], ""
    for line in lines:
        # Four spaces after an empty line begin a code block; after text they continue a list item.
        indented = line.startswith("    ") and (not previous.strip() or previous.startswith("    "))
        if not indented or re.match(r"\s*([-*]|\d+\.) ", line):
            kept.append(line)
        previous = line if not (indented and not line.strip()) else previous
    return "\n".join(kept)


def paragraphs(markdown: str) -> Iterator[str]:
    """Yield the paragraphs and list items of Markdown, without code blocks, tables, headings and pictures."""
    for block in re.split(r"\n\s*\n", strip_code_blocks(markdown)):
        lines = [line for line in block.split("\n") if not re.match(r"\s*(\||#|!\[)", line)]
        yield from filter(str.strip, re.split(r"^\s*(?:[-*]|\d+\.) ", "\n".join(lines), flags=re.MULTILINE))


def comments(path: Path) -> Iterator[Text]:
    """Yield the comments and docstrings of a Python file, without names of arguments and doctests."""
    source = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(f"{name}:{token.start[0]}", token.string)
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield Text(f"{name}:{statement.lineno}", _strip_docstring(value.value))


def _strip_docstring(text: str) -> str:
    lines = [line for line in text.split("\n") if not re.match(r"\s*(>>>|\.\.\.)|    {4}\S.*=", line)]
    return "\n".join(re.sub(r"^\s+[\w, ]+: ", "", line) for line in lines)


class ErrorCall(NamedTuple):
    """A call of an error class of oodbench.

    Attributes:
        place: File and line.
        name: The class.
        texts: The arguments, with X for computed parts.
    """

    place: str
    name: str
    texts: list[str]

    @property
    def has_remedy(self) -> bool:
        """Whether the call states a remedy, or the class provides one."""
        return self.name in _COMPLETED or len(self.texts) >= 2


def error_classes() -> set[str]:
    """List the names of the error classes."""
    tree = ast.parse((ROOT / "oodbench" / "errors.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def error_calls(source: str, place: str, classes: set[str]) -> Iterator[ErrorCall]:
    """Yield the calls of error classes in a Python source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in classes:
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                yield ErrorCall(f"{place}:{node.lineno}", name, [_constant_text(value) for value in arguments])


def remedy_texts(source: str, place: str) -> Iterator[Text]:
    """Yield the texts that are assigned to a variable named `remedy` or `obtain`, or passed as one."""
    for node in ast.walk(ast.parse(source)):
        pairs: list[tuple[str, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(getattr(target, "id", ""), node.value) for target in node.targets]
        elif isinstance(node, ast.keyword):
            pairs = [(node.arg or "", node.value)]
        for name, value in pairs:
            if name.strip("_").lower() in ("remedy", "obtain") and _constant_text(value) != "X":
                yield Text(f"{place}:{value.lineno}", _constant_text(value))


def _constant_text(node: ast.expr) -> str:
    """Return the constant parts of a string expression, with X for the others."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _constant_text(node.left) + _constant_text(node.right)
    return "X"


def help_texts() -> Iterator[Text]:
    """Yield the help of each command and of each of its parameters."""
    yield from _command_texts(typer.main.get_command(app), "oodbench")


def _command_texts(command: Any, name: str) -> Iterator[Text]:
    if isinstance(command, ModelCommand):
        command.complete_help()
    for paragraph in (command.help or "").split("\n\n"):
        yield Text(name, paragraph)
    if command.short_help:
        yield Text(f"{name} (short)", command.short_help)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            yield Text(f"{name} {parameter.opts[-1]}", parameter.help)
    for part, inner in getattr(command, "commands", {}).items():
        yield from _command_texts(inner, f"{name} {part}")
