"""The account that an operator names."""

import re
from dataclasses import dataclass

from ..domain.account import Account
from ..domain.errors import ErrorCode, FieldError, InvalidInput, NoSuchAccount
from ..domain.events import TRUSTED_CALLER, Caller
from .operators import Operator, Operators
from .ports import Database, Identifiers
from .validation import Validator

_ID = re.compile(r"(id:)?([1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyAccount:
    """The account with this id, username, email or mobile, or with this recovery address.

    `id:17` is the account 17. A bare `17` is too, unless another account has it as its username or mobile. Raises
    `InvalidInput` then and for a text that no account can have, `NoSuchAccount`, `NotPermitted`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    operators: Operators

    def __call__(self, *, operator: Operator, identifier: str, caller: Caller = TRUSTED_CALLER) -> Account:
        self.operators.admit(operator, self, None, caller)
        validator = Validator()
        (text,) = validator.valid(validator.text("identifier", identifier, str.strip))
        number = _ID.fullmatch(text)
        by_id = self.database.accounts.get(int(number[2])) if number else None
        by_name = None if number and number[1] else self.database.accounts.by_login(self.identifiers.login(text))
        if by_id is not None and by_name is not None and by_id.id != by_name.id:
            message = f"Two accounts may be meant, by their id and by a name: write id:{by_id.id} or id:{by_name.id}."
            raise InvalidInput({"identifier": [FieldError(ErrorCode.MALFORMED, message)]})
        account = by_id or by_name
        if account is None:
            raise NoSuchAccount("No account has this id, username, email or mobile.")
        return account
