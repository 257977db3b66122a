"""Arithmetic for models, which cannot do it: an expression is parsed, bounded, and computed node by node.

Nothing is evaluated as Python. What could take long is refused before it is computed: long expressions, and whole
numbers of more than `MAX_BITS`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from internal.tools.base import Tool, ToolError

MAX_CHARACTERS = 1_000
MAX_DEPTH = 50
MAX_BITS = 4_096
MAX_FACTORIAL = 500
MAX_DIGITS = 300

Number = int | float

# How people write it, and models that learned from them.
SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**"})
CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


def power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and exponent * (base.bit_length() - 1) > MAX_BITS:
        raise ToolError("A power is too large to compute.")
    result = base**exponent
    if isinstance(result, complex):
        raise ToolError("The result is not a real number.")
    return result


def rounded(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > MAX_DIGITS:
        raise ToolError(f"round() takes a whole number of digits, at most {MAX_DIGITS}.")
    return round(number, digits) if digits else round(number)


def factorial(n: Number) -> int:
    if not isinstance(n, int) or not 0 <= n <= MAX_FACTORIAL:
        raise ToolError(f"factorial() takes a whole number from 0 to {MAX_FACTORIAL}.")
    return math.factorial(n)


UNARY: dict[type[ast.AST], Callable[[Any], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
BINARY: dict[type[ast.AST], Callable[[Any, Any], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: power,
}
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "ceil": math.ceil,
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": factorial,
    "floor": math.floor,
    "gcd": math.gcd,
    "lcm": math.lcm,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "radians": math.radians,
    "round": rounded,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}


def calculate(expression: str) -> str:
    """The value, as text. Raises ToolError."""
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"The expression has more than {MAX_CHARACTERS} characters. Compute it in parts.")
    try:
        tree = ast.parse(expression.translate(SPELLINGS).strip(), mode="eval")
        return shown(value(tree.body, 1))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ToolError(f"{expression!r} cannot be computed: {reason(error)}.") from None
    except ArithmeticError as error:
        raise ToolError(f"{expression!r} has no value: {error}.") from None


def value(node: ast.expr, depth: int) -> Number:
    """Raises ToolError, and what arithmetic raises."""
    if depth > MAX_DEPTH:
        raise ToolError(f"The expression is nested deeper than {MAX_DEPTH} levels.")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return bounded(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return UNARY[type(op)](value(operand, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return bounded(BINARY[type(op)](value(left, depth + 1), value(right, depth + 1)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return bounded(FUNCTIONS[name](*(value(argument, depth + 1) for argument in args)))
    raise ToolError(
        f"{ast.unparse(node)[:80]!r} is not arithmetic. There are numbers, + - * / // % ** and parentheses, "
        f"{', '.join(CONSTANTS)}, and the functions {', '.join(FUNCTIONS)}."
    )


def bounded(number: Number) -> Number:
    if number.bit_length() > MAX_BITS if isinstance(number, int) else not math.isfinite(number):
        raise ToolError("A number is too large to compute with.")
    return number


def shown(number: Number) -> str:
    """Without the noise of binary fractions: 0.1 + 0.2 is 0.3."""
    return str(number) if isinstance(number, int) else f"{number:.15g}"


def reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError | TypeError) else "it is not a valid expression"


async def call(arguments: dict[str, Any]) -> str:
    return calculate(arguments["expression"])


CALCULATOR = Tool(
    name="calculator",
    description=(
        "Computes an arithmetic expression exactly. It knows + - * / // % ** and parentheses, the constants "
        f"{', '.join(CONSTANTS)}, and the functions {', '.join(FUNCTIONS)}."
    ),
    parameters="""{
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "For example: (3 + 4) * sqrt(2)"}},
        "required": ["expression"],
        "additionalProperties": false
    }""",
    call=call,
)
