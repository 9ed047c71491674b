"""Structs as shapes: what a kind's struct declares, read with all that an operator may get wrong in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import NODEFAULT, Struct, inspect

from weft.resource.field_path import child
from weft.resource.shape import Anything, Choice, Either, Flag, Number, Reading, Sequence, Shape, Table, Text, wrong
from weft.resource.wording import close_name, listed, plain, same_name


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record: its attribute, its JSON name, its shape and its marks."""

    attribute: str
    name: str
    shape: Shape
    required: bool
    default: Any
    marks: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A struct."""

    type: type[Struct]
    fields: Mapping[str, Field]

    @property
    def empty(self) -> Struct:
        """See Shape."""
        return self.type(**{field.attribute: field.shape.empty for field in self.fields.values() if field.required})

    def read(self, value: Any, path: str, reading: Reading) -> Struct:
        """See Shape."""
        if not isinstance(value, Mapping):
            hint = "remove the dash: this is a mapping, not a list" if isinstance(value, list | tuple) else ""
            wrong(reading, path, f"a mapping ({listed(self.fields)})", value, hint or self._wrapped(value))
            return self.empty
        given = {str(name): inner for name, inner in value.items() if inner is not None}
        for name in sorted(given.keys() - self.fields.keys()):
            self._unknown(name, path, reading)
        reading.around.append((path, tuple(self.fields)))
        present = [field for field in self.fields.values() if field.required or field.name in given]
        values = {field.attribute: self._field(field, given, path, reading) for field in present}
        reading.around.pop()
        return self.type(**values)

    def _field(self, field: Field, given: Mapping[str, Any], path: str, reading: Reading) -> Any:
        place = child(path, field.name)
        if field.name not in given:
            reading.problems.add("missing-field", place, name=field.name)
            return field.shape.empty
        value = field.shape.read(given[field.name], place, reading)
        _remark(field, value, place, reading)
        return value

    def _wrapped(self, value: Any) -> str:
        """The hint for a scalar: `port: 80` for `port: {number: 80}`, or `number:80`, which YAML takes for a text."""
        if isinstance(value, str) and value.partition(":")[0] in self.fields and ":" in value:
            return f"a space is needed after the colon: {value.replace(':', ': ', 1)[:80]}"
        return f"write {{{next(iter(self.fields))}: {plain(value)}}}" if len(self.fields) == 1 else ""

    def _unknown(self, name: str, path: str, reading: Reading) -> None:
        code = "unknown-metadata" if reading.lenient else "unknown-field"
        reading.problems.add(code, child(path, name), name=name, hint=self._meant(name, path, reading))

    def _meant(self, name: str, path: str, reading: Reading) -> str:
        """Where the field belongs, or what it may be a slip of."""
        if name.startswith("-") and name[1:] in self.fields:
            return f"a space is needed after the dash: - {name[1:]}"
        if same := same_name(name, self.fields):
            return f"did you mean {same}?"
        for above, names in reversed(reading.around):
            if name in names:
                return f"{name} is a field of {above or 'the resource itself'}: check the indentation"
        for field in self.fields.values():
            inner = field.shape.of if isinstance(field.shape, Sequence) else field.shape
            if isinstance(inner, Record) and name in inner.fields:
                return f"{name} belongs under {child(path, field.name)}"
        if close := close_name(name, self.fields):
            return f"did you mean {close}?"
        return f"fields here: {listed(self.fields)}"


def _remark(field: Field, value: Any, place: str, reading: Reading) -> None:
    """The findings about a field for being there at all."""
    if instead := field.marks.get("deprecated"):
        reading.problems.add("deprecated-field", place, name=field.name, hint=f"use {instead}")
    if (why := field.marks.get("ignored")) and value != field.default:
        reading.problems.add("ignored-field", place, name=field.name, why=why)
    if field.marks.get("supported", True) or value == field.default or value == field.marks["unless"]:
        return
    reading.problems.add("unsupported-field", place, name=field.name, hint=field.marks["hint"])


@cache
def record(type: type[Struct]) -> Record:
    """The shape of a struct."""
    shape, _ = _shape(inspect.type_info(type))
    assert isinstance(shape, Record)
    return shape


def _shape(of: inspect.Type) -> tuple[Shape, Mapping[str, Any]]:
    """The shape of a type, and the marks on it."""
    match of:
        case inspect.Metadata(type=inner, extra=extra):
            shape, marks = _shape(inner)
            merged = {**marks, **(extra or {})}
            return (Text(merged["check"]) if isinstance(shape, Text) and "check" in merged else shape), merged
        case inspect.UnionType(types=types):
            alternatives = [inner for inner in types if not isinstance(inner, inspect.NoneType)]
            return _shape(alternatives[0]) if len(alternatives) == 1 else (Either(), {})
        case inspect.StrType(max_length=longest):
            return Text(longest=longest), {}
        case inspect.IntType(ge=least, le=most):
            return Number(True, least, most), {}
        case inspect.FloatType(ge=least, le=most):
            return Number(False, least, most), {}
        case inspect.BoolType():
            return Flag(), {}
        case inspect.LiteralType(values=words):
            return Choice(tuple(str(word) for word in words)), {}
        case inspect.VarTupleType(item_type=inner, min_length=fewest, max_length=longest):
            return Sequence(_shape(inner)[0], fewest or 0, longest), {}
        case inspect.DictType(value_type=inner):
            return Table(_shape(inner)[0]), {}
        case inspect.StructType(cls=cls, fields=fields):
            return Record(cls, {found.encode_name: _field(found) for found in fields}), {}
        case _:
            return Anything(), {}


def _field(of: inspect.Field) -> Field:
    shape, marks = _shape(of.type)
    default = of.default if of.default is not NODEFAULT else of.default_factory() if callable(of.default_factory) else None
    return Field(of.name, of.encode_name, shape, of.required, default, marks)
