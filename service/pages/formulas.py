"""Formulas as the registries have them, one line of plain text each, set as mathematics.

Browsers set MathML by themselves, and screen readers read it. The text stays the one truth: the
terminal prints it as it is. What is read in it:

* hats and bars over a letter, raised and lowered characters, ``_`` and ``^`` before a factor;
* ``a / b`` is a fraction of the two factors beside it, which lose their parentheses, as does a
  fraction that stands in some alone;
* ``√`` and ``∛`` reach over the factor after them;
* runs of letters are words, but for a function's name before what it is of; letters alone are
  variables, but for the article of ``of a cycle``;
* ``;`` outside of parentheses ends a line.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from markupsafe import Markup

FUNCTIONS = {"clip", "cos", "ln", "max", "mean", "min", "rms", "sign"}
BRACKETS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩", "⌊": "⌋", "|": "|", "‖": "‖"}
ACCENTS = {"\u0302": "ˆ", "\u0304": "¯"}
PUNCTUATION = {",", ":"}  # between words and formulas
SUMMANDS = {"+", "−"}  # before which a line may wrap
WRAPS = "<wbr/>"
SIGNS = {"−", "±", "#"}  # before an exponent
THIN = '<mspace width="0.17em"/>'

_TOKEN = re.compile(
    r"""(?P<space>\s*)
    (?:(?P<word>[A-Za-z]{2,}(?:'s)?)
    |(?P<number>\d+(?:\.\d+)?|[½¼])
    |(?P<letter>[^\W\d_])(?P<accent>[\u0302\u0304]?)
    |(?P<mark>\S))""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """What a formula is made of.

    Attributes:
        kind: ``word``, ``function``, ``number``, ``letter``, ``mark``, and of a run of raised or
            lowered characters ``super`` or ``sub``.
        text: in plain characters.
        apart: whether space stands before it.
        accent: over a letter.
    """

    kind: str
    text: str
    apart: bool = False
    accent: str = ""


END = Token("end", "")


class _Factor(NamedTuple):
    markup: str
    bare: str  # without the parentheses around all of it


def formula(text: str) -> Markup:
    """A formula as HTML: a line for each of its steps, in which words are text and may wrap."""
    lines = (_Line(each).markup() for each in _lines(text))
    return Markup("".join(f'<div class="line">{line}</div>' for line in lines))  # noqa: S704


def symbol(text: str) -> Markup:
    """A formula without words, as mathematics in a running text."""
    return Markup(_math(_row(_Line(text).expression())))  # noqa: S704


def _lines(text: str) -> Iterator[str]:
    depth, begun = 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == ";" and depth == 0:
            yield text[begun:place]
            begun = place + 1
    yield text[begun:]


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    # Letters and their accents, which may be one character, come apart.
    for found in _TOKEN.finditer(unicodedata.normalize("NFD", text.strip())):
        apart, text = bool(found["space"]), found[0].strip()
        position = re.match("<(super|sub)>", unicodedata.decomposition(text[0]))
        if position is not None:
            text = unicodedata.normalize("NFKC", text)
            if tokens and tokens[-1].kind == position[1] and not apart:
                text = tokens.pop().text + text
            tokens.append(Token(position[1], text))
        elif found["letter"]:
            tokens.append(Token("letter", found["letter"], apart, found["accent"]))
        else:
            kind = next(kind for kind in ("word", "number", "mark") if found[kind])
            tokens.append(Token(kind, text, apart))
    beside = zip([END, *tokens[:-1]], tokens, [*tokens[1:], END], strict=True)
    return [_settled(*each) for each in beside]


def _settled(before: Token, token: Token, after: Token) -> Token:
    """The token, of the kind that it is between those beside it."""
    if token.text in FUNCTIONS and (after.kind in {"letter", "number"} or after.text == "("):
        return token._replace(kind="function")
    if token.text == "a" and before.kind == after.kind == "word":
        return token._replace(kind="word")
    return token


class _Line:
    """Reads one line, token by token."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), END]
        self._place = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def markup(self) -> str:
        """The line as HTML: mathematics between words."""
        parts: list[str] = []
        while self._next is not END:
            space = " " if parts and self._next.text not in PUNCTUATION else ""
            if space and self._next.text in SUMMANDS:
                space = WRAPS
            if self._is_prose():
                parts.append(space + escape(self._take().text, quote=False))
            else:
                parts.append(space + _math(_row(self.expression(prose=True))))
        return "".join(parts)

    def _is_prose(self) -> bool:
        return self._next.kind == "word" or self._next.text in PUNCTUATION

    def expression(self, until: str = "", *, prose: bool = False) -> list[str]:
        """What stands before a mark; in prose, before the next word, comma, colon or summand."""
        parts: list[str] = []
        after_factor = False
        while (token := self._next) is not END and not (prose and self._is_prose()):
            if token.kind == "mark" and token.text == until:
                break
            if _is_operator(token):
                is_between = token.apart and token.text in SUMMANDS
                if prose and parts and is_between:
                    break
                form = ' form="infix"' if is_between else ""
                parts.append(f"<mo{form}>{escape(self._take().text)}</mo>")
                after_factor = False
                continue
            if token.kind == "word":
                parts.append(self._words())
                after_factor = False
                continue
            if after_factor and token.apart:
                parts.append(THIN)
            parts.append(self._quotient())
            after_factor = True
        return parts

    def _words(self) -> str:
        before = "\u00a0" if self._next.apart else ""
        words = [self._take().text]
        while self._next.kind == "word":
            words.append(self._take().text)
        after = "\u00a0" if self._next.apart else ""
        return f"<mtext>{before}{escape(' '.join(words), quote=False)}{after}</mtext>"

    def _quotient(self) -> str:
        begun, above = self._next, self._factor()
        while self._next.text == "/":
            self._take()
            fraction = f"<mfrac>{above.bare}{self._factor().bare}</mfrac>"
            above = _Factor(fraction, fraction)
        is_fraction = above.bare.startswith("<mfrac>")
        return above.bare if is_fraction and begun.apart else above.markup

    def _factor(self) -> _Factor:
        base = self._base()
        scripts: dict[str, str] = {}
        while True:
            token = self._next
            if token.kind in {"sub", "super"}:
                inside = _row(_Line(self._take().text).expression())
                scripts[token.kind] = scripts.get(token.kind, "") + inside
            elif token.text in {"^", "_"} and not token.apart:
                self._take()
                scripts["super" if token.text == "^" else "sub"] = self._script()
            else:
                break
        if not scripts:
            return base
        below, above = scripts.get("sub", ""), scripts.get("super", "")
        tag = "msubsup" if below and above else "msub" if below else "msup"
        whole = f"<{tag}>{base.markup}{below}{above}</{tag}>"
        return _Factor(whole, whole)

    def _script(self) -> str:
        """What is raised or lowered: one base, as in ``Q_Lᵀ`` the T belongs to Q."""
        signs = []
        while self._next.text in SIGNS:
            signs.append(f"<mo>{self._take().text}</mo>")
        return _row([*signs, self._base().bare])

    def _base(self) -> _Factor:
        token = self._take()
        if token is END:
            raise ValueError("a formula ends where a factor should stand")
        if token.text in BRACKETS:
            return self._group(token)
        if token.text == "√":
            whole = f"<msqrt>{self._factor().bare}</msqrt>"
        elif token.text == "∛":
            whole = f"<mroot>{self._factor().bare}<mn>3</mn></mroot>"
        elif token.kind == "function":
            whole = _row([f"<mi>{token.text}</mi>", self._argument()])
        elif token.text == "Σ":
            whole = _row(["<mi>Σ</mi>", self._factor().markup])
        else:
            tag = {"number": "mn", "word": "mtext", "mark": "mo"}.get(token.kind, "mi")
            whole = f"<{tag}>{escape(token.text)}</{tag}>"
            if token.accent:
                whole = f'<mover accent="true">{whole}<mo>{ACCENTS[token.accent]}</mo></mover>'
        return _Factor(whole, whole)

    def _group(self, opened: Token) -> _Factor:
        closing = BRACKETS[opened.text]
        inside = _row(self.expression(closing))
        if self._take().text != closing:
            raise ValueError(f"a formula lacks a {closing!r}")
        first, last = (
            f'<mo form="{form}" stretchy="true">{mark}</mo>'
            for form, mark in (("prefix", opened.text), ("postfix", closing))
        )
        whole = f"<mrow>{first}{inside}{last}</mrow>"
        return _Factor(whole, inside if opened.text == "(" else whole)

    def _argument(self) -> str:
        """Of a function: a group, or factors that stand close to each other."""
        if self._next.text == "(":
            return self._base().markup
        parts = [THIN, self._factor().markup]
        while self._next.kind in {"letter", "number"} and not self._next.apart:
            parts.append(self._factor().markup)
        return _row(parts)


def _is_operator(token: Token) -> bool:
    return token.kind == "mark" and token.text not in {*BRACKETS, "√", "∛", "∇", "Σ"}


def _row(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _math(inside: str) -> str:
    return f'<math displaystyle="true">{inside}</math>'
