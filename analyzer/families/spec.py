"""What every family offers: a spec that turns into a Graph, and its named variants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

from analyzer.errors import InvalidInput
from analyzer.families.fields import Rule, check
from analyzer.graph import Graph

MAX_STAGES = 16
MAX_BLOCKS = 10_000
MAX_OPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A network's numbers. Sub-classes are one family each; building one checks every field and raises InvalidInput."""

    family: ClassVar[str]

    def __post_init__(self) -> None:
        for name, rule in rules(type(self)).items():
            if isinstance(getattr(self, name), list):
                self._set(**{name: tuple(getattr(self, name))})
            check(self.family, name, rule, getattr(self, name))
        self._settle()

    def _settle(self) -> None:
        """Refuse impossible combinations and give fields without effect their default."""

    def graph(self) -> Graph:
        """The network that this spec describes."""
        raise TypeError(f"{type(self).__name__} builds no graph")

    @property
    def default_input_size(self) -> int:
        """Side of the square input in pixels where none is given."""
        return 224

    def resolved(self) -> dict[str, Any]:
        """Every field with the value it takes effect with, as JSON types."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    def width_steps(self, count: int) -> tuple[int, ...]:
        """What each of `count` stages' widths should be a multiple of where others are looked for."""
        return (8,) * count

    def changed(self, **values: Any) -> Self:
        """The same spec with some fields changed."""
        return replace(self, **values)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _settle_head(self, head: str, num_classes: int) -> None:
        """No classes ask for a head that ends after the pool; without a classifier their number has no effect."""
        if num_classes == 0 and head == "classifier":
            head = "pool"
            self._set(head=head)
        if head != "classifier":
            self._set(num_classes=1000)

    def _refuse(self, name: str, rule: str) -> None:
        shown = rules(type(self))[name].text(self.resolved()[name])
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


def no_pattern(_: str) -> Variant | None:
    """For families without names that carry numbers."""
    return None


class Initial(NamedTuple):
    """How torchvision starts a family's weights: Kaiming normal convolutions (He et al. 2015) scaled by `conv_fan`.

    "" leaves convolutions to torch; `linear_std` is the spread of linear layers' normal weights, None torch's own.
    Biases of convolutions are zero, or with `zero_conv_bias` false as torch starts them.
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
    initial: Initial = Initial()
