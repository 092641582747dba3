"""Commands whose one argument may begin with a dash, as key ids and usernames may."""

import click


class DashArgumentCommand(click.Command):
    """A command whose only option is help: everything else is an argument, even with a dash in front."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not {"--", *ctx.help_option_names}.intersection(args):
            args = ["--", *args]
        return super().parse_args(ctx, args)
