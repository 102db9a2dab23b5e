"""A pickle's data without its code: an interpreter of opcodes that calls nothing."""

import pickletools
import struct
from typing import Any, NamedTuple


class Named(NamedTuple):
    """A class or function that the pickle names; it is not looked up."""

    name: str


class Called(NamedTuple):
    """An object that the pickle wants made by a call; it is not made."""

    function: Named
    arguments: Any


class Stored(NamedTuple):
    """Something kept outside of the pickle."""

    identity: Any


_MARK = object()
_BROKEN = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    struct.error,
)
_LITERALS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_NUMBERS_AND_TEXTS = {
    "INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "FLOAT",
    "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip


def read_inert(stream: Any) -> Any:
    """Reads one pickle from a binary stream, up to its end.

    Numbers, texts, lists, tuples and dicts come back as such; classes and functions as
    `Named`, what they would make as `Called`, persistent objects as `Stored`. Nothing
    is imported and nothing is called, so that a hostile file can do no more than be
    refused. Attributes set on objects (BUILD) are dropped.

    Raises:
        ValueError: an opcode that checkpoints do not need, or a broken pickle.

    >>> import io, pickle
    >>> read_inert(io.BytesIO(pickle.dumps({"a": [1, 2.5]})))
    {'a': [1, 2.5]}
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return stack.pop()
            _perform(opcode.name, argument, stack, memo)
    except _BROKEN as error:
        raise ValueError(f"Broken pickle: {error!r}.") from None
    raise ValueError("Broken pickle: it has no end.")


def _perform(name, argument, stack, memo):
    if name in ("PROTO", "FRAME"):
        return
    if name == "MARK":
        stack.append(_MARK)
    elif name in _LITERALS:
        stack.append(_LITERALS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in _NUMBERS_AND_TEXTS:
        stack.append(argument)
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[int(argument)] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[int(argument)])
    elif name == "GLOBAL":
        stack.append(Named(argument.replace(" ", ".")))
    elif name == "STACK_GLOBAL":
        attribute, module = stack.pop(), stack.pop()
        if not (isinstance(attribute, str) and isinstance(module, str)):
            raise TypeError("a name that is no text")
        stack.append(Named(f"{module}.{attribute}"))
    elif name == "BINPERSID":
        stack.append(Stored(stack.pop()))
    else:
        _combine(name, stack)


def _combine(name, stack):
    if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        values = tuple(stack[-count:])
        del stack[-count:]
        stack.append(values)
    elif name == "TUPLE":
        stack.append(tuple(_to_mark(stack)))
    elif name == "LIST":
        stack.append(_to_mark(stack))
    elif name == "DICT":
        stack.append(_pairs(_to_mark(stack)))
    elif name in ("APPEND", "APPENDS"):
        values = [stack.pop()] if name == "APPEND" else _to_mark(stack)
        if isinstance(stack[-1], list):
            stack[-1].extend(values)
    elif name in ("SETITEM", "SETITEMS"):
        values = _to_mark(stack) if name == "SETITEMS" else [stack.pop(), stack.pop()]
        pairs = _pairs(values if name == "SETITEMS" else values[::-1])
        if isinstance(stack[-1], dict):
            stack[-1].update(pairs)
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, function = stack.pop(), stack.pop()
        stack.append(_called(function, arguments))
    elif name == "BUILD":
        stack.pop()
    else:
        raise ValueError(f"A checkpoint does not need the pickle opcode {name}.")


def _called(function, arguments):
    if function == Named("collections.OrderedDict"):
        # Not copied: a few bytes would ask for a large one again and again.
        return _emptied(arguments)
    return Called(function, arguments)


def _emptied(arguments):
    """What OrderedDict makes of a dict, of nothing, or of pairs, which are taken out of
    their list: PyTorch writes each list once."""
    if not arguments:
        return {}
    (values,) = arguments
    if isinstance(values, dict):
        return values
    made = _pairs([part for key, value in values for part in (key, value)])
    values.clear()
    return made


def _pairs(values):
    keys = values[::2]
    if not all(isinstance(key, str | int | float) for key in keys):
        raise TypeError("a key that is neither text nor number")  # hashing may not end
    return dict(zip(keys, values[1::2], strict=True))


def _to_mark(stack):
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise IndexError("no mark")
    values = stack[at + 1 :]
    del stack[at:]
    return values
