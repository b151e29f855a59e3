"""What can be known about a deployment before it: `python -m infra.preflight ENVIRONMENT`, or `make preflight`.

Here: the templates compile, every rule holds for the parameters, nothing is left to fill in, and what of the quotas is
used. The rest only Azure knows: the commands that ask it are printed, with the names of this deployment.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

from infra import rules
from infra.compiler import ENVIRONMENTS, SUBSCRIPTION, CompilerError, expand
from infra.rules.apps import CORES, QUOTA
from infra.rules.snapshot import Snapshot

_TO_FILL_IN: Final = ("00000000-0000-0000-0000-000000000000", "broker.example", "origin.invalid")
_ELSEWHERE: Final = {"Microsoft.ApiManagement/service/apis/policies"}
_NAME_CHECKS: Final = {
    "Microsoft.ApiManagement/service": "az apim check-name --name {name}",
    "Microsoft.DocumentDB/databaseAccounts": "az cosmosdb check-name-exists --name {name}",
    "Microsoft.EventHub/namespaces": "az eventhubs namespace exists --name {name}",
    "Microsoft.KeyVault/vaults": "az keyvault check-name --name {name}",
    "Microsoft.ServiceBus/namespaces": "az servicebus namespace exists --name {name}",
    "Microsoft.Storage/storageAccounts": "az storage account check-name --name {name}",
}


def violations(snapshot: Snapshot) -> Iterator[str]:
    """What breaks a rule, with the rule's reason."""
    for rule in rules.ALL:
        for violation in rule.check(snapshot):
            yield f"{rule.name}: {violation}. {rule.reason}"


def left_to_fill_in(snapshot: Snapshot) -> Iterator[str]:
    """Values of the parameter file that are still those of the repository."""
    for value in _TO_FILL_IN:
        places = [str(each) for each in snapshot.resources if each.type not in _ELSEWHERE and value in str(each.raw)]
        if places:
            yield f"{value} is still in {len(places)} resources, for example {places[0]}"


def capacity(snapshot: Snapshot) -> Iterator[str]:
    """How much of what Azure limits is used, by region."""
    ready: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for site in snapshot.of("Microsoft.Web/sites"):
        scale = site.get("properties.functionAppConfig.scaleAndConcurrency")
        cores = CORES[scale["instanceMemoryMB"]]
        ready[site.location] += round(cores * sum(each["instanceCount"] for each in scale["alwaysReady"] or []))
        most[site.location] += round(cores * scale["maximumInstanceCount"] * 2)
    for region in snapshot.regions:
        yield (
            f"{region}: {ready[region]} cores of functions always run; HTTP and Durable alone may ask for "
            f"{most[region]}, of {QUOTA} unless your quota was raised"
        )
    schedulers = Counter(each.location for each in snapshot.of("Microsoft.DurableTask/schedulers"))
    for region, count in schedulers.items():
        yield f"{region}: {count} of 25 Durable Task Schedulers"


def questions(snapshot: Snapshot) -> Iterator[str]:
    """Commands that ask Azure what only Azure knows."""
    for namespace in sorted({each.type.split("/")[0] for each in snapshot.resources} | {"Microsoft.App"}):
        yield f"az provider show --namespace {namespace} --query registrationState --output tsv"
    for region in snapshot.regions:
        yield f"az functionapp list-flexconsumption-locations --query \"[?name=='{region}']\""
        yield f"az postgres flexible-server list-skus --location {region} --output table"
        yield f"az network list-usages --location {region} --output table"
        yield f"az rest --method get --url '{_usages(region)}'"
    for kind, command in _NAME_CHECKS.items():
        for resource in snapshot.of(kind):
            yield command.format(name=resource.name)
    for kind, namespace in _PLACES.items():
        query = f"resourceTypes[?resourceType=='{kind}'].locations"
        yield f'az provider show --namespace {namespace} --query "{query}"'
    yield (
        f"az deployment sub what-if --location {snapshot.regions[0]} --template-file infra/bicep/main.bicep "
        f"--parameters infra/bicep/environments/{snapshot.environment}.bicepparam"
    )


_PLACES: Final = {
    "flexibleServers": "Microsoft.DBforPostgreSQL",
    "redisEnterprise": "Microsoft.Cache",
    "schedulers": "Microsoft.DurableTask",
    "signalR": "Microsoft.SignalRService",
}
"""Where a type is offered: new regions have not everything."""


def _usages(region: str) -> str:
    return (
        "https://management.azure.com/subscriptions/$SUBSCRIPTION_ID/providers/Microsoft.Web/"
        f"locations/{region}/usages?api-version=2024-11-01"
    )


def main() -> None:
    """Read the command line, say what is known; exit 1 when something must be put right."""
    parser = argparse.ArgumentParser(prog="python -m infra.preflight", description=__doc__)
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("--subscription", default=SUBSCRIPTION, help="its id; names are made from it")
    options = parser.parse_args()
    try:
        snapshot = Snapshot(options.environment, expand(options.environment, subscription=options.subscription))
    except CompilerError as error:
        sys.exit(f"Error: {error}")
    wrong = [*violations(snapshot), *left_to_fill_in(snapshot)]
    lines = [
        f"{len(snapshot.resources)} resources, {len(rules.ALL)} rules.",
        *(f"wrong: {each}" for each in wrong),
        *(f"capacity: {each}" for each in capacity(snapshot)),
        f"Only Azure knows the rest. Names are those of the subscription {options.subscription}:",
        *(f"    {each}" for each in questions(snapshot)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
