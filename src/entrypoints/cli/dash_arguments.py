"""Commands whose one argument names something that may begin with a dash, as key ids and usernames may."""

import click


class Naming(click.Command):
    """Takes what begins with a dash for a name. Its one option is help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not {"--", *ctx.help_option_names}.intersection(args):
            args = ["--", *args]
        return super().parse_args(ctx, args)
