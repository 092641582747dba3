"""The page of development mode: the mails and SMS that became files, with their codes. No other mode serves it."""

from html import escape
from urllib.parse import urlsplit

from litestar import get
from litestar.handlers import HTTPRouteHandler

from ...facade import Vestibule
from ..dependencies import HttpRequest, requested_path
from ..docs import html_page, static_file, template_of
from ..middleware.development import is_own_name
from ..problems import DevelopmentOnly
from ..responses import AsgiResponse

_EMPTY = '<p class="hint">No message yet. This page shows each within a second.</p>'
_MESSAGE = """\
<article class="message">
<h2>{kind} to {recipient} <time>{at}</time></h2>
<p>{subject}</p>
{code}
<pre class="answer">{text}</pre>
<p class="hint">{file}</p>
</article>
"""


def handlers_of(vestibule: Vestibule) -> list[HTTPRouteHandler]:
    settings = vestibule.settings
    template = template_of(settings, "outbox.html")
    elsewhere = [url for url in (settings.email_url, settings.sms_url) if not url.startswith("outbox:")]
    note = "Mail or SMS that go to a server or a gateway are not shown here." if elsewhere else ""
    own_host = (urlsplit(settings.url).hostname or "").lower()

    @get("/dev/outbox", sync_to_thread=True)
    def outbox(request: HttpRequest) -> AsgiResponse:
        host = request.headers.get("host", "")
        if not is_own_name(host) and (urlsplit(f"//{host}").hostname or "") != own_host:
            raise DevelopmentOnly
        request.scope["state"]["is_unlogged"] = True  # the page asks every second
        messages = "".join(
            _MESSAGE.format(
                kind=message.kind,
                at=escape(message.at),
                recipient=escape(message.recipient),
                subject=escape(message.subject),
                code=f'<p class="code">{escape(message.code)}</p>' if message.code else "",
                text=escape(message.text),
                file=escape(message.file),
            )
            for message in vestibule.read_outbox_files()
        )
        page = template.replace("{note}", note).replace("{messages}", messages or _EMPTY)
        return html_page(page, root="../.." if requested_path(request).endswith("/") else "..")

    return [outbox, static_file("/dev/outbox.js", "outbox.js", "text/javascript; charset=utf-8")]
