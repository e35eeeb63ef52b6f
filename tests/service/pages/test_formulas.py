"""Formulas: set as their text says, all of them, and nothing of the text is lost."""

import re
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from service.pages.formulas import formula, symbol
from service.pages.playground import INTRODUCTIONS

FORMULAS = {name: rule.formula for name, rule in RULES.items()} | {
    name: schedule.formula for name, schedule in SCHEDULES.items()
}


def plain(markup: str) -> str:
    """What it says without tags: fractions and scripts told by parentheses alone."""
    told = {"mfrac": "[{}/{}]", "msub": "{}_{}", "msup": "{}^{}", "msubsup": "{}_{}^{}",
            "msqrt": "√[{}]", "mroot": "{1}√[{0}]", "mover": "{}{}"}  # fmt: skip

    def said(element: ET.Element) -> str:
        parts = [said(child) for child in element]
        if element.tag in told:
            return told[element.tag].format(*parts)
        if element.tag == "mspace":
            return " "
        inner = (element.text or "") + "".join(
            part + (child.tail or "") for part, child in zip(parts, element, strict=True)
        )
        return f"{inner}; " if element.get("class") == "line" else inner

    text = said(ET.fromstring(f"<all>{markup}</all>"))
    return re.sub(r"[ \u00a0]+", " ", text).removesuffix("; ")


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("θ ← θ − η g", "θ←θ−η g"),
        ("a / b", "[a/b]"),
        ("η m̂ / (√v̂ + ε)", "η [mˆ/√[vˆ]+ε]"),
        ("a b/c d", "a [b/c] d"),
        ("(a + b) / (c d)^p", "[a+b/(c d)^p]"),
        ("θ − (η/3) (b + c)", "θ−[η/3] (b+c)"),
        ("1/(a/b + c)", "[1/[a/b]+c]"),
        ("f(a/b)", "f([a/b])"),
        ("x (a/b)²", "x ([a/b])^2"),
        ("β₁ᵗ", "β_1^t"),
        ("μₜ₊₁ g₋₁", "μ_t+1 g_−1"),
        ("10⁻⁶", "10^−6"),
        ("Q_Lᵀ m̂ Q_R", "Q_L^T mˆ Q_R"),
        ("t^−p + 0.96^(ψt)", "t^−p+0.96^ψt"),
        ("γ^#{mᵢ ≤ τ}", "γ^#{m_i≤τ}"),
        ("γ^⌊τ (n+1)⌋", "γ^⌊τ (n+1)⌋"),
        ("√β₂ r + ∛v", "√[β_2] r+3√[v]"),
        ("√mean(g²)", "√[mean(g^2)]"),
        ("(1 + cos πτ) / 2", "[1+cos πτ/2]"),
        ("1/ln β₁", "[1/ln β_1]"),
        ("w/Σw", "[w/Σw]"),
        ("‖g‖² + |2x−1|", "‖g‖^2+|2x−1|"),
        ("θ̄ + ĝ", "θ¯+gˆ"),
        ("[u g > 0]", "[u g>0]"),
        ("m, v as in Adam;  θ ← m", "m, v as in Adam; θ←m"),
        ("c = what is done of a cycle", "c= what is done of a cycle"),
        ("a ← a, the mean over each tensor", "a←a, the mean over each tensor"),
        ("R + w (row means of g² − R)", "R+w (row means of g^2−R)"),
        ("Δ (1 if g > 0; 0 if g < 0)", "Δ (1 if g>0;0 if g<0)"),
        ("θ ← AdamW's step", "θ← AdamW's step"),
    ],
)
def test_a_formula_is_set_as_it_says(text: str, set_as: str) -> None:
    assert plain(formula(text)) == set_as


@pytest.mark.parametrize("text", ["(a + b", "|x", "√", "a /", "x^"])
def test_what_is_no_formula_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="formula"):
        formula(text)


def characters(text: str) -> str:
    """All that is left when what fractions, roots and scripts replace is taken away."""
    accents = {"\u0302": "ˆ", "\u0304": "¯"}
    spelled = "".join(
        accents.get(character)
        or (
            unicodedata.normalize("NFKC", character)
            if unicodedata.decomposition(character).startswith(("<super>", "<sub>"))
            else character
        )
        for character in unicodedata.normalize("NFD", text)
    )
    return re.sub(r"[\s\u00a0()/^_√∛;]", "", spelled)


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_keeps_its_characters_and_is_well_formed(name: str) -> None:
    markup = formula(FORMULAS[name])
    roots = ET.fromstring(f"<all>{markup}</all>")
    for root in roots.iter("mroot"):
        root[1].text = ""  # the 3 of ∛
    assert characters("".join(roots.itertext())) == characters(FORMULAS[name])
    assert markup.count('<div class="line">') == len(re.split(r";(?![^(]*\))", FORMULAS[name]))
    parents = {child: parent for parent in roots.iter() for child in parent}
    for element in roots.iter():
        children = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mroot": 2, "mover": 2}
        assert len(element) == children.get(element.tag, len(element))
        assert element.tag != "mtext" or element.text
        if element.tag == "math":
            assert parents[element].get("class") == "line"


def test_markup_in_a_formula_is_text() -> None:
    class Tags(HTMLParser):
        seen: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.seen.add(tag)

    Tags().feed(formula("a <script> b & c <b>x</b>"))
    assert not Tags.seen & {"script", "b"}


@pytest.mark.parametrize("name", INTRODUCTIONS)
def test_the_formula_of_a_landscape_is_one_piece(name: str) -> None:
    root = ET.fromstring(symbol(INTRODUCTIONS[name][0]))
    assert root.tag == "math"
    assert not list(root.iter("mtext"))
