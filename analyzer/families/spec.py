"""What every family offers: a spec that turns into a Graph, and its named variants."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

from analyzer.errors import InvalidInput, shortened
from analyzer.graph.graph import Graph

MAX_STAGES = 16
MAX_BLOCKS = 10_000
MAX_OPS = 20_000


class Int(NamedTuple):
    """A whole number from `low` to `high`, or None (written as `word`) where `optional`."""

    help: str
    low: int
    high: int
    optional: bool = False
    word: str = "none"

    def rule(self) -> str:
        return f"a whole number from {self.low} to {self.high}{f' or {self.word}' if self.optional else ''}"

    def parse(self, text: str) -> object:
        return None if self.optional and text == self.word else _parse_int(text)

    def accepts(self, value: object) -> bool:
        return (value is None and self.optional) or _is_int(value, self.low, self.high)

    def text(self, value: Any) -> str:
        return self.word if value is None else str(value)


class OneOf(NamedTuple):
    """One of a few whole numbers, or None (written `none`)."""

    help: str
    options: tuple[int, ...]

    def rule(self) -> str:
        return f"one of {', '.join(map(str, self.options))} or none"

    def parse(self, text: str) -> object:
        return None if text == "none" else _parse_int(text)

    def accepts(self, value: object) -> bool:
        return value is None or (_is_int(value, min(self.options), max(self.options)) and value in self.options)

    def text(self, value: Any) -> str:
        return "none" if value is None else str(value)


class IntList(NamedTuple):
    """At most `longest` whole numbers from `low` to `high`, joined by `-`; None: the default follows other fields."""

    help: str
    low: int
    high: int
    longest: int
    optional: bool = False

    def rule(self) -> str:
        return f"1 to {self.longest} whole numbers from {self.low} to {self.high}, joined by -"

    def parse(self, text: str) -> object:
        return tuple(_parse_int(part) for part in text.split("-", self.longest + 1))

    def accepts(self, value: object) -> bool:
        if value is None:
            return self.optional
        if not isinstance(value, tuple) or not 1 <= len(value) <= self.longest:
            return False
        return all(_is_int(item, self.low, self.high) for item in value)

    def text(self, value: Any) -> str:
        return "-".join(map(str, value))


class Choice(NamedTuple):
    """One of a few words; `words` maps other spellings onto them; the word `none` stands for itself."""

    help: str
    options: tuple[str, ...]
    words: tuple[tuple[str, str], ...] = ()

    def rule(self) -> str:
        return f"one of {', '.join(self.options)}"

    def parse(self, text: str) -> object:
        return dict(self.words).get(text, text)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.options

    def text(self, value: Any) -> str:
        return str(value)


class LayerList(NamedTuple):
    """A chain of convolutions' output channels and pools, joined by `-`: 64-M-128-M."""

    help: str
    high: int
    longest: int
    pool: str = "M"

    def rule(self) -> str:
        channels = f"1 to {self.longest} channels from 1 to {self.high} or {self.pool} for a pool"
        return f"{channels}, joined by -, the first no pool"

    def parse(self, text: str) -> object:
        return tuple(part if part == self.pool else _parse_int(part) for part in text.split("-", self.longest + 1))

    def accepts(self, value: object) -> bool:
        if not isinstance(value, tuple) or not 1 <= len(value) <= self.longest:
            return False
        return all(item == self.pool or _is_int(item, 1, self.high) for item in value) and value[0] != self.pool

    def text(self, value: Any) -> str:
        return "-".join(map(str, value))


class Flag(NamedTuple):
    """`true` or `false`."""

    help: str

    def rule(self) -> str:
        return "true or false"

    def parse(self, text: str) -> object:
        return {"true": True, "false": False}.get(text, text)

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    def text(self, value: Any) -> str:
        return "true" if value else "false"


class Ratio(NamedTuple):
    """A decimal above 0 and up to 1, or None (written `none`) where `optional`."""

    help: str
    optional: bool = False

    def rule(self) -> str:
        return f"a decimal above 0 and up to 1, with at most 6 places{', or none' if self.optional else ''}"

    def parse(self, text: str) -> object:
        if self.optional and text == "none":
            return None
        return float(text) if re.fullmatch(r"1|[01]?\.[0-9]{1,6}", text, re.ASCII) else text

    def accepts(self, value: object) -> bool:
        if value is None:
            return self.optional
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and 0 < float(str(value)) <= 1 and round(float(str(value)), 6) == float(str(value))

    def text(self, value: Any) -> str:
        if value is None:
            return "none"
        return f"{float(value):.6f}".rstrip("0").removesuffix(".") if value != 1 else "1.0"


Rule = Int | OneOf | IntList | Choice | LayerList | Flag | Ratio


def spec_field(rule: Rule, default: Any = MISSING) -> Any:
    """A dataclass field with its rule; required where it has no default."""
    return field(default=default, metadata={"rule": rule})


def check_field(family: str, name: str, rule: Rule, value: object) -> None:
    """Raise InvalidInput with family, field, value and rule where the value breaks the rule."""
    if not rule.accepts(value):
        text = value
        if isinstance(rule, IntList | LayerList) and isinstance(value, tuple):
            text = "-".join(map(shortened, value[:60]))
        raise InvalidInput(f"{family}: {name}={shortened(text)!r} must be {rule.rule()}.")


def floor_product(ratio: float, number: int) -> int:
    """⌊ratio·number⌋ with the ratio taken as the decimal it is written as (0.29·100 is 29)."""
    from fractions import Fraction  # with decimal it costs milliseconds that only a ratio should pay

    exact = Fraction(repr(float(ratio)))
    return number * exact.numerator // exact.denominator


def _parse_int(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else text


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A network's numbers. Sub-classes are one family each; building one checks every field and raises InvalidInput."""

    family: ClassVar[str]

    def __post_init__(self) -> None:
        for name, rule in rules(type(self)).items():
            if isinstance(getattr(self, name), list):
                self._set(**{name: tuple(getattr(self, name))})
            check_field(self.family, name, rule, getattr(self, name))
        self._normalise()

    def _normalise(self) -> None:
        """Refuse impossible combinations and give fields without effect their default."""

    def graph(self) -> Graph:
        """The network that this spec describes."""
        raise TypeError(f"{type(self).__name__} builds no graph")

    @property
    def default_input_size(self) -> int:
        """Side of the square input in pixels where none is given."""
        return 224

    def effective_fields(self) -> dict[str, Any]:
        """Every field with the value it takes effect with, as JSON types."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    def width_steps(self, count: int) -> tuple[int, ...]:
        """What each of `count` stages' widths should be a multiple of in a search for other widths."""
        return (8,) * count

    def with_fields(self, **values: Any) -> Self:
        """The same spec with some fields changed."""
        return replace(self, **values)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _normalise_head(self, head: str, num_classes: int) -> None:
        """No classes ask for a head that ends after the pool; without a classifier their number has no effect."""
        if num_classes == 0 and head == "classifier":
            head = "pool"
            self._set(head=head)
        if head != "classifier":
            self._set(num_classes=1000)

    def _refuse(self, name: str, rule: str) -> None:
        shown = rules(type(self))[name].text(self.effective_fields()[name])
        raise InvalidInput(f"{self.family}: {name}={shown} {rule}.")


_RULES: dict[type[Spec], Mapping[str, Rule]] = {}


def rules(spec: type[Spec]) -> Mapping[str, Rule]:
    """Field name → rule, in the order of the spec's fields."""
    if spec not in _RULES:
        _RULES[spec] = {item.name: item.metadata["rule"] for item in fields(spec)}
    return _RULES[spec]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


class Variant(NamedTuple):
    """A named preset: its fields, the name people use, its paper, and what a reader should know about it."""

    title: str
    paper: str
    fields: Mapping[str, Any]
    note: str = ""


def variants_by_pattern(pattern: Callable[[str], Variant | None], *names: str) -> dict[str, Variant]:
    """Name → the variant that a family's pattern makes of it, without the names that it does not know."""
    variants = {name: pattern(name) for name in names}
    return {name: variant for name, variant in variants.items() if variant is not None}


def no_pattern(_: str) -> Variant | None:
    """For families without names that carry numbers."""
    return None


class WeightInitialisation(NamedTuple):
    """How torchvision initialises a family's weights: Kaiming normal convolutions (He et al. 2015), by `conv_fan`.

    "" leaves convolutions to torch; `linear_std` is the spread of linear layers' normal weights, None torch's own.
    Biases of convolutions are zero, or with `zero_conv_bias` false as torch initialises them.
    """

    conv_fan: str = "fan_out"
    linear_std: float | None = None
    zero_linear_bias: bool = False
    zero_conv_bias: bool = True


class Family(NamedTuple):
    """One file's worth of networks: the spec class, the named variants, and other libraries' words for its fields."""

    spec: type[Spec]
    variants: Mapping[str, Variant]
    aliases: Mapping[str, str]
    words: Mapping[str, str]
    pattern: Callable[[str], Variant | None] = no_pattern
    initial: WeightInitialisation = WeightInitialisation()
