"""Function apps: what goes wrong, and the rule that must find it."""

from typing import Any, Final

from tests.infra.mutations import GONE, Mutation, copy, drop, put, swap

_PG: Final = "Microsoft.DBforPostgreSQL/flexibleServers"
_SITE: Final = "Microsoft.Web/sites"
_CONFIG: Final = "Microsoft.Web/sites/config"
_SCALE: Final = "properties.functionAppConfig.scaleAndConcurrency"


def _some_open(resources: list[dict[str, Any]]) -> None:
    settings = [each for each in resources if each["type"] == _CONFIG and "green" in each["id"]][-1]["properties"]
    del settings["AzureWebJobs.sweep.Disabled"]


FAULTS: Final = (
    Mutation(
        "apps_use_the_services_of_their_cell",
        "database",
        copy(_CONFIG, "properties.POSTGRES_URL", named="c2-green", other="c1-green"),
    ),
    Mutation(
        "apps_use_the_services_of_their_cell",
        "certificate",
        swap(_CONFIG, "properties.POSTGRES_URL", "verify-full", "require"),
    ),
    Mutation(
        "apps_use_the_services_of_their_cell",
        "queues",
        copy(_CONFIG, "properties.SERVICE_BUS_CONNECTION__fullyQualifiedNamespace", named="c2-green", other="c1-green"),
    ),
    Mutation("apps_use_the_services_of_their_cell", "plain", swap(_CONFIG, "properties.REDIS_URL", "rediss", "redis")),
    Mutation("apps_use_the_services_of_their_cell", "models", put(_CONFIG, "properties.COSMOS_DATABASE", "other")),
    Mutation(
        "apps_run_on_flex_consumption",
        "two apps a plan",
        copy(_SITE, "properties.serverFarmId", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "apps_run_on_flex_consumption",
        "plan",
        put("Microsoft.Web/serverfarms", "sku", {"name": "EP1", "tier": "ElasticPremium"}),
    ),
    Mutation("apps_run_on_flex_consumption", "too few", put(_SITE, f"{_SCALE}.maximumInstanceCount", 10)),
    Mutation("apps_run_on_flex_consumption", "one request", put(_SITE, f"{_SCALE}.triggers", None), "dev"),
    Mutation(
        "apps_run_on_flex_consumption", "python", put(_SITE, "properties.functionAppConfig.runtime.version", "3.11")
    ),
    Mutation("apps_run_on_flex_consumption", "files", put(_SITE, "properties.siteConfig.ftpsState", "AllAllowed")),
    Mutation(
        "apps_run_on_flex_consumption", "any origin", put(_SITE, "properties.siteConfig.cors.allowedOrigins", ["*"])
    ),
    Mutation("apps_run_on_flex_consumption", "password", drop(f"{_SITE}/basicPublishingCredentialsPolicies")),
    Mutation(
        "every_scale_group_has_instances_ready",
        "one",
        put(_SITE, f"{_SCALE}.alwaysReady.0.instanceCount", 1, named="c2-blue"),
    ),
    Mutation("every_scale_group_has_instances_ready", "none", put(_SITE, f"{_SCALE}.alwaysReady", [])),
    Mutation(
        "every_scale_group_has_instances_ready",
        "closed",
        put(
            _SITE,
            f"{_SCALE}.alwaysReady",
            [{"name": name, "instanceCount": 2} for name in ("http", "durable", "function:sweep")],
            named="c2-green",
        ),
    ),
    Mutation(
        "colours_share_nothing_of_their_hosts",
        "host id",
        copy(_CONFIG, "properties.AzureFunctionsWebHost__hostid", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "colours_share_nothing_of_their_hosts",
        "task hub",
        copy(
            _CONFIG,
            "properties.AzureFunctionsJobHost__extensions__durableTask__hubName",
            named="c2-green",
            other="c2-blue",
        ),
    ),
    Mutation(
        "colours_share_nothing_of_their_hosts",
        "storage",
        copy(_CONFIG, "properties.AzureWebJobsStorage__accountName", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "colours_share_nothing_of_their_hosts",
        "long",
        put(_CONFIG, "properties.AzureFunctionsWebHost__hostid", "x" * 33),
    ),
    Mutation("colours_share_nothing_of_their_hosts", "no hub", drop("Microsoft.DurableTask/schedulers/taskHubs")),
    Mutation(
        "apps_use_the_hub_and_storage_of_their_colour",
        "connection",
        copy(_CONFIG, "properties.DURABLE_TASK_SCHEDULER_CONNECTION_STRING", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "apps_use_the_hub_and_storage_of_their_colour",
        "packages",
        copy(_SITE, "properties.functionAppConfig.deployment", named="c2-green", other="c2-blue"),
    ),
    Mutation(
        "apps_use_the_hub_and_storage_of_their_colour", "empty", put(_CONFIG, "properties.AzureWebJobsStorage", "")
    ),
    Mutation(
        "apps_use_the_hub_and_storage_of_their_colour",
        "credential",
        put(_CONFIG, "properties.AzureWebJobsStorage__credential", GONE),
    ),
    Mutation("one_colour_is_triggered", "both", put(_CONFIG, "properties", {}, named="c2-green")),
    Mutation("one_colour_is_triggered", "only some", _some_open),
    Mutation("pools_fit_the_database", "pool", put(_CONFIG, "properties.POSTGRES_POOL", "50")),
    Mutation("pools_fit_the_database", "instances", put(_SITE, f"{_SCALE}.maximumInstanceCount", 1000)),
    Mutation("pools_fit_the_database", "server", put(_PG, "sku.name", "Standard_E2ds_v5", named="prod-c1-p")),
    Mutation("pools_fit_the_database", "unknown", put(_PG, "sku.name", "Standard_E999", named="prod-c1-p")),
    Mutation("cores_fit_the_quota", "ready", put(_SITE, f"{_SCALE}.alwaysReady.0.instanceCount", 200)),
    Mutation("nothing_is_a_preview", "version", put(_PG, "apiVersion", "2026-01-01-preview"), "dev"),
    Mutation(
        "nothing_is_a_preview",
        "rolling",
        put(_SITE, "properties.functionAppConfig.siteUpdateStrategy", {"type": "RollingUpdate"}),
    ),
    Mutation("nothing_is_a_preview", "disk", put(_PG, "properties.storage.type", "PremiumV2_LRS")),
)
