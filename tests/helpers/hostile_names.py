"""Names with characters that have a meaning in some output, and names that are refused."""

from __future__ import annotations

LITERAL = (
    "=cmd|'/C calc'!A0", "+1", "-1+1", "@SUM(A1)", "[red]x[/red]", "[1]", ":smile:", "$x$", "net$_$b", "$\\frac$",
    "\\input{/etc/passwd}", "\\write18{ls}", "a & b", "&lt;b&gt;", "&#60;", "100 %", "# heading", "~~x~~", "^x", "{y",
    "<script>alert(1)</script>", "</script><!--", "a|b", "a\\|b", "c:\\", "`code`", "``", "*bold*", "_em_", "__x__",
    "a_b_", "![i](j)", "[a](javascript:1)", "1. list", "- list", "> quote", "../../x", "{{ 7*7 }}", "%s", "ünï",
    '"quoted", comma', "x" * 200,
)  # fmt: skip
"""Names that each output must show as they are."""

REFUSED = (
    "", "  ", "a\nb", "a\r", "\ta", "\x00", "\x1b[31mred", "a\x7f", "\x9b31m", "\u202egnp.exe", "a\u2066b", "a\u2028b",
    "a\u2029b", "\udc80", "x" * 201,
)  # fmt: skip
"""Texts that are not names: blank, in several lines, with control characters, or too long."""
