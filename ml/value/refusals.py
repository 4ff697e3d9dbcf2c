"""Why a value cannot be told. Nothing is fitted or foretold from what was refused."""


class ValueRefused(ValueError):
    """`code` is stable and for programs, `path` says which argument, `detail` is a sentence for people."""

    code = "value.refused"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{self.code} at {path}: {detail}" if path else f"{self.code}: {detail}")
        self.path, self.detail = path, detail


class TooFewCustomers(ValueRefused):
    """A fit on so few customers would be chance."""

    code = "value.too_few_customers"


class TooFewRepeatBuyers(ValueRefused):
    """(Nearly) nobody bought twice: neither a pace nor a leaving can be seen."""

    code = "value.too_few_repeat_buyers"


class ImpossibleHistory(ValueRefused):
    """Times or counts that no customer can have."""

    code = "value.impossible_history"


class SpendNotPositive(ValueRefused):
    """A purchase that cost nothing or less: leave free days out and net returns against their purchase first."""

    code = "value.spend_not_positive"


class ConstantColumn(ValueRefused):
    """A column that is the same for everybody says nothing."""

    code = "value.constant_column"


class NotFinite(ValueRefused):
    """Not a number, or infinite."""

    code = "value.not_finite"


class WrongShape(ValueRefused):
    """Columns of different lengths, or not one number a customer."""

    code = "value.wrong_shape"


class NotConverged(ValueRefused):
    """The likelihood has no maximum that could be found inside the bounds."""

    code = "value.not_converged"


class BadParameters(ValueRefused):
    """Stored parameters that are missing, unknown, or outside what the model allows."""

    code = "value.bad_parameters"


class NothingToJudge(ValueRefused):
    """Nobody bought in the window, or nobody is in it: every model would look the same."""

    code = "value.nothing_to_judge"
