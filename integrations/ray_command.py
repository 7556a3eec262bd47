"""`al-server ray`: what a cluster of Ray has to work with."""

import click

from al_server.commands.output import as_json_option, examples, print_json, print_table
from integrations.ray_cluster import alive_nodes, connected


@click.command("ray", epilog=examples("al-server ray auto", "al-server ray 10.0.0.5:6379"))
@click.argument("address")
@as_json_option
def ray_nodes(address: str, as_json: bool) -> None:
    """List the machines of the Ray cluster at ADDRESS (HOST:PORT, auto, local).

    It is the same address that `al-server embed --ray` takes.
    """
    with connected(address):
        nodes = [
            {
                "node": node["NodeManagerAddress"],
                "cpus": int(node["Resources"].get("CPU", 0)),
                "gpus": int(node["Resources"].get("GPU", 0)),
            }
            for node in alive_nodes()
        ]
    if as_json:
        print_json(nodes)
    else:
        print_table(["node", "CPUs", "GPUs"], [[str(value) for value in n.values()] for n in nodes])
