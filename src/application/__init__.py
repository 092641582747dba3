"""What may be asked: the use cases and the refusals, the public Python API.

A use case is called with keyword arguments; it returns the answer, or raises a refusal. `vestibule.entrypoints.build` makes
them all on given settings.
"""

from ..domain.account import Account, Address, Kind, Username
from ..domain.errors import (
    AlreadyTaken,
    DifferentAccounts,
    ImageTooLarge,
    InvalidInput,
    InvalidRefreshToken,
    InvalidToken,
    NotAuthenticated,
    Overloaded,
    Refusal,
    TooManyTries,
    Unavailable,
    WrongCode,
    WrongCredentials,
)
from ..domain.events import VOUCHED, Caller
from .account import ChangeAccount
from .codes import LogInByCode, Proven, RequestCode, Sent, VerifyCode
from .courier import DeliverMessages
from .fields import MISSING
from .image import ReadImage, UploadImage
from .login import LogIn
from .password import ResetPassword
from .registration import CheckUnique, Register
from .reglogin import RegisterOrLogIn, RequestRegistrationCode
from .tokens import Authenticate, Identity, Refresh, TokenSet

__all__ = [
    "MISSING",
    "VOUCHED",
    "Account",
    "Address",
    "AlreadyTaken",
    "Authenticate",
    "Caller",
    "ChangeAccount",
    "CheckUnique",
    "DeliverMessages",
    "DifferentAccounts",
    "Identity",
    "ImageTooLarge",
    "InvalidInput",
    "InvalidRefreshToken",
    "InvalidToken",
    "Kind",
    "LogIn",
    "LogInByCode",
    "NotAuthenticated",
    "Overloaded",
    "Proven",
    "ReadImage",
    "Refresh",
    "Refusal",
    "Register",
    "RegisterOrLogIn",
    "RequestCode",
    "RequestRegistrationCode",
    "ResetPassword",
    "Sent",
    "TokenSet",
    "TooManyTries",
    "Unavailable",
    "UploadImage",
    "Username",
    "VerifyCode",
    "WrongCode",
    "WrongCredentials",
]
