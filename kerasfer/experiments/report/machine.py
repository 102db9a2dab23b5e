"""Where and by which command a run was made."""

import shlex


def command_of(env):
    """The command as it was given, to be given again."""
    program, *arguments = env.get("command", ["not noted"])
    name = f"python recipes/{program}" if program.endswith(".py") else program
    return " ".join([name, *map(shlex.quote, arguments)])


# Not rows of their own: the command has a place, and packages are in env.json.
_APART = ("command", "resumed", "packages")


def describe_machine(env):
    """A row a fact of env.json."""
    import pandas as pd

    facts = {name: env[name] for name in env if name not in _APART}
    facts["devices"] = ", ".join(facts.get("devices", []))
    if env.get("resumed"):
        facts["resumed"] = ", ".join(part["started"] for part in env["resumed"])
    return pd.DataFrame({"fact": facts.keys(), "value": map(str, facts.values())})
