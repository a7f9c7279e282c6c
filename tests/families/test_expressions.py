"""Variant expressions. Oracles: the interface's rules as examples, and properties over random specs and random text."""

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical, named_variant, parse, slug
from analyzer.families.network import network
from analyzer.families.registry import FAMILIES, variant_names
from analyzer.families.spec import Spec, rules
from analyzer.graph.graph import fingerprint
from tests.support.strategies import specs

SAME: list[tuple[str, str]] = [
    ("resnet50:cardinality=32,base_width=4", "resnext50_32x4d"),
    ("resnet50:groups=32,width_per_group=4", "resnext50_32x4d"),
    ("resnet50:depths=3-4-23-3", "resnet101"),
    ("resnet50:layers=3-4-23-3", "resnet101"),
    ("resnet50b", "resnet50"),
    ("resnet50:expansion=4,widths=64-128-256-512,stem=imagenet", "resnet50"),
    ("resnet34:stride_on=1x1", "resnet34"),
    ("resnet:block=basic,depths=2-2-2-2", "resnet18"),
    ("resnet:block=bottleneck,depths=3-4-6-3,base_width=128", "wide_resnet50_2"),
    ("densenet:depths=6-12-24-16,growth_rate=32,init_features=64", "densenet121"),
    ("densenet:block_config=6-12-36-24,growth_rate=48,num_init_features=96,bn_size=4", "densenet161"),
    ("densenet121:compression=.5", "densenet121"),
    (" resnet50 : depths = 3-4-23-3 ", "resnet101"),
    ("resnet50:cardinality=0032,base_width=04", "resnext50_32x4d"),
]


@pytest.mark.parametrize(("written", "name"), SAME)
def test_one_network_has_one_canonical_form_and_one_fingerprint(written: str, name: str) -> None:
    assert canonical(parse(written)) == name
    assert fingerprint(network(written).graph) == fingerprint(network(name).graph)


CANONICAL = [
    ("resnet:block=bottleneck,depths=3-24-36-3", "resnet200"),
    ("resnet50:stride_on=1x1", "resnet50_v1"),
    ("resnet18:num_classes=10,stem=cifar", "resnet18:stem=cifar,num_classes=10"),
    ("densenet121:compression=1", "densenet121:compression=1.0"),
    ("densenet121:compression=0.250000", "densenet121:compression=0.25"),
    ("densenet121:bottleneck_ratio=none", "densenet121:bottleneck_ratio=none"),
    ("densenet121:growth_rate=48", "densenet121:growth_rate=48"),
    ("resnet18:block=bottleneck", "resnet18:block=bottleneck"),
    ("densenet:depths=5", "densenet:depths=5"),
]


@pytest.mark.parametrize(("written", "wanted"), CANONICAL)
def test_the_canonical_form_is_the_nearest_name_and_its_differences(written: str, wanted: str) -> None:
    assert canonical(parse(written)) == wanted


@given(specs)
def test_the_canonical_form_says_the_same_network_again(spec: Spec) -> None:
    written = canonical(spec)
    assert parse(written) == spec
    assert canonical(parse(written)) == written
    assert fingerprint(parse(written).graph()) == fingerprint(spec.graph())


@given(specs)
def test_an_expression_is_one_token_in_a_shell_and_a_url(spec: Spec) -> None:
    assert set(canonical(spec)) <= set("abcdefghijklmnopqrstuvwxyzABCM0123456789_-.,:=")


@given(specs, st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(spec: Spec, random: object) -> None:
    name, _, listed = canonical(spec).partition(":")
    fields = listed.split(",")
    random.shuffle(fields)  # type: ignore[attr-defined]
    assert parse(f"{name}:{','.join(fields)}" if listed else name) == spec


@given(specs)
def test_the_full_family_form_says_the_same_network(spec: Spec) -> None:
    known, resolved = rules(type(spec)), spec.effective_fields()
    stated = ",".join(f"{name}={rule.text(resolved[name])}" for name, rule in known.items())
    assert parse(f"{spec.family}:{stated}") == spec


@pytest.mark.parametrize("name", variant_names())
def test_a_name_is_its_own_canonical_form(name: str) -> None:
    spec = parse(name)
    assert canonical(spec) == name
    known = named_variant(spec)
    assert known is not None
    assert known.title


def test_a_spec_between_the_names_has_none() -> None:
    assert named_variant(parse("resnet50:depths=1-1-1-1")) is None


REFUSED: list[tuple[str, str]] = [
    ("resnet51", "variant 'resnet51' is unknown; did you mean resnet"),
    ("ResNet50", "variant 'ResNet50' is unknown; did you mean resnet50 or"),
    ("RESNEXT50_32X4D", "did you mean resnext50_32x4d"),
    ("", "variant '' is unknown; known are"),
    (":", "variant '' is unknown"),
    ("resnet50:", "'resnet50:' has an empty field list"),
    ("resnet50: ", "has an empty field list"),
    ("resnet50:,", "'' is no field=value pair"),
    ("resnet50:depths=3-4-6-3,", "'' is no field=value pair"),
    ("resnet50:depths", "'depths' is no field=value pair"),
    ("resnet50:depth=3", "field 'depth' is unknown; did you mean depths"),
    ("resnet50:growth_rate=3", "resnet: field 'growth_rate' is unknown"),
    ("densenet121:cardinality=3", "densenet: field 'cardinality' is unknown"),
    ("resnet50:depths=3,depths=3", "field depths is given more than once"),
    ("resnet50:layers=3,depths=3", "field depths is given more than once"),
    ("resnet", "resnet: block is missing; it must be one of basic, bottleneck"),
    ("resnet:block=basic", "resnet: depths is missing; it must be 1 to 16 whole numbers"),
    ("densenet:growth_rate=12", "densenet: depths is missing"),
    ("resnet50:depths=", "depths='' must be"),
    ("resnet50:depths=3--4", "depths='3--4' must be"),
    ("resnet50:depths=-3", "depths='-3' must be"),
    ("resnet50:depths=3-4-6-0", "depths='3-4-6-0' must be"),
    ("resnet50:depths=9999999", "depths='9999999' must be"),
    ("resnet50:depths=99999999999999999999", "depths='99999999999999999999' must be"),
    ("resnet50:depths=3.0-4", "depths='3.0-4' must be"),
    ("resnet50:depths=٣-4-6-3", "depths='٣-4-6-3' must be"),
    ("resnet50:cardinality=３２", "cardinality='３２' must be"),
    ("resnet50:cardinality=-1", "cardinality='-1' must be a whole number from 1 to 65536"),
    ("resnet50:cardinality=+1", "cardinality='+1' must be"),
    ("resnet50:cardinality=1_0", "cardinality='1_0' must be"),
    ("resnet50:cardinality=0x10", "cardinality='0x10' must be"),
    ("resnet50:cardinality=1e1", "cardinality='1e1' must be"),
    ("resnet50:cardinality=none", "cardinality='none' must be"),
    ("resnet50:stem=CIFAR", "stem='CIFAR' must be one of imagenet, cifar"),
    ("resnet50:stride_on=2x2", "stride_on='2x2' must be one of 3x3, 1x1"),
    ("densenet121:compression=0", "compression='0' must be a decimal above 0 and up to 1"),
    ("densenet121:compression=05", "compression='05' must be"),
    ("densenet121:compression=1.5", "compression='1.5' must be"),
    ("densenet121:compression=-0.5", "compression='-0.5' must be"),
    ("densenet121:compression=1e-3", "compression='1e-3' must be"),
    ("densenet121:compression=0.1234567", "with at most 6 places"),
    ("densenet121:compression=nan", "compression='nan' must be"),
    ("densenet121:compression=inf", "compression='inf' must be"),
    ("densenet121:bottleneck_ratio=0", "bottleneck_ratio='0' must be a whole number from 1 to 1024 or none"),
    ("resnet18:cardinality=32", "cardinality=32 must be 1 with basic blocks"),
    ("resnet50\0", "variant 'resnet50?' is unknown"),
    ("resnet50:depths=3\n4", "depths='3 4' must be"),
]


@pytest.mark.parametrize(("written", "message"), REFUSED)
def test_a_mistake_is_told_in_one_sentence(written: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(written)
    text = str(refused.value)
    assert message in text
    assert text[-1] in ".?"
    assert "\n" not in text


HOSTILE: dict[str, Callable[[], str]] = {
    "a name of 100,000 characters": lambda: "x" * 100_000,
    "a long field": lambda: "resnet50:" + "x" * 60_000 + "=1",
    "a number of 60,000 digits": lambda: "resnet50:depths=" + "9" * 60_000,
    "30,000 stages": lambda: "resnet50:depths=" + "1-" * 30_000 + "1",
    "only hyphens": lambda: "resnet50:depths=" + "-" * 60_000,
    "Arabic digits": lambda: "resnet50:cardinality=" + "\u0663" * 10_000,
    "a ratio of 60,000 places": lambda: "densenet121:compression=0." + "0" * 60_000 + "1",
    "a ratio of 60,000 digits": lambda: "densenet121:compression=" + "9" * 60_000,
    "a million fields": lambda: "resnet50:" + ",".join(f"cardinality={number}" for number in range(10**6)),
    "as many fields as fit": lambda: "resnet50:" + ",".join(["stem=cifar"] * 5_000),
    "only colons": lambda: "resnet50" + ":" * 60_000,
    "only equals signs": lambda: "resnet50:" + "=" * 60_000,
    "only commas": lambda: "resnet50:" + "," * 60_000,
    "only brackets": lambda: "(" * 60_000,
    "only NULs": lambda: "\0" * 60_000,
    "half characters": lambda: "\ud800" * 60_000,
    "30,000 blocks": lambda: "resnet:block=basic,depths=10000-10000-10000",
    "9999 dense layers": lambda: "densenet:depths=9999",
    "16 stages that double": lambda: "resnet:block=basic,depths=1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_refused_in_a_short_sentence_and_in_little_memory(case: str) -> None:
    """Under 4 MiB beyond the text itself; work that grew with the text's square would not come to an end."""
    text = HOSTILE[case]()
    tracemalloc.start()
    with pytest.raises(InvalidInput) as refused:
        network(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message = str(refused.value)
    assert len(message) < 400
    assert "\n" not in message
    assert peak < 4 * 2**20


def refusal(text: str) -> str:
    """Answer with the sentence that refuses a text, or with "" where it is a network and its canonical form says it."""
    try:
        spec = parse(text)
    except InvalidInput as refused:
        return str(refused)
    assert parse(canonical(spec)) == spec
    return ""


@pytest.mark.slow
@given(st.text(max_size=80))
def test_random_text_is_a_network_or_one_sentence(text: str) -> None:
    assert len(refusal(text).splitlines()) <= 1


WORDS = [
    *FAMILIES,
    *variant_names(),
    *{word for family in FAMILIES.values() for word in (*rules(family.spec), *family.words)},
]
VALUES = [
    "none",
    "true",
    "3x3",
    "cifar",
    "basic",
    "bottleneck",
    "0.5",
    "1-2-3",
    "-",
    "",
    "64",
    "0",
    "65537",
    "é",
    "1.0",
]


@given(st.lists(st.sampled_from([*WORDS, *VALUES, ":", "=", ",", ":", "=", ","]), max_size=14).map("".join))
def test_text_that_looks_like_an_expression_is_a_network_or_one_sentence(text: str) -> None:
    assert len(refusal(text).splitlines()) <= 1


@given(st.text(min_size=1, max_size=300))
def test_a_slug_is_a_file_name_that_every_file_system_takes(text: str) -> None:
    name = slug(text)
    assert 1 <= len(name) <= 100
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")
    assert name[0] not in ".-"
    assert name[-1] not in ".-"


def test_slugs_of_names_are_the_names_and_long_expressions_keep_apart() -> None:
    assert [slug(name) for name in variant_names()] == list(variant_names())
    assert slug("resnet50:depths=3-4-23-3,stem=cifar") == "resnet50-depths-3-4-23-3-stem-cifar"
    long = "resnet50:depths=" + "-".join(["10"] * 60)
    assert len({slug(long + end) for end in ("1", "2", "3")}) == 3


@given(st.text(max_size=300))
def test_a_shortened_value_is_one_printable_line_of_60_characters(text: str) -> None:
    shown = shortened(text)
    assert len(shown) <= 60
    assert shown.isprintable()
    assert len(text) > 60 or " ".join(text.split()) == shown or not text.isprintable()
