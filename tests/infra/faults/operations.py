"""Diagnostics, locks, alerts, budgets, tags, places: what goes wrong, and the rule that must find it."""

from typing import Final

from tests.infra.mutations import Mutation, copy, drop, put

_DIAG: Final = "Microsoft.Insights/diagnosticSettings"
_LOGS: Final = "Microsoft.OperationalInsights/workspaces"


FAULTS: Final = (
    Mutation(
        "logs_stay_in_their_region",
        "telemetry",
        put("Microsoft.Insights/components", "properties.WorkspaceResourceId", "/x"),
    ),
    Mutation(
        "somebody_is_called", "nothing there", put("Microsoft.Insights/metricAlerts", "properties.scopes", ["/x"])
    ),
    Mutation(
        "alerts_can_fire",
        "never",
        put("Microsoft.Insights/metricAlerts", "properties.criteria.allOf.0.threshold", 900, named="postgresql-cpu"),
    ),
    Mutation(
        "alerts_can_fire",
        "always",
        put(
            "Microsoft.Insights/metricAlerts", "properties.criteria.allOf.0.operator", "LessThan", named="redis-memory"
        ),
    ),
    Mutation(
        "alerts_can_fire",
        "rows",
        put("Microsoft.Insights/scheduledQueryRules", "properties.criteria.allOf.0.threshold", 5),
    ),
    Mutation(
        "every_service_sends_its_diagnostics", "no workspace", put(_DIAG, "properties.workspaceId", "/subscriptions/s")
    ),
    Mutation(
        "every_service_sends_its_diagnostics",
        "some logs",
        put(_DIAG, "properties.logs", [{"category": "Audit", "enabled": True}], named="kv-prod-c2"),
    ),
    Mutation(
        "every_service_sends_its_diagnostics",
        "switched off",
        put(_DIAG, "properties.logs.0.enabled", False, named="kv-prod-c2"),
    ),
    Mutation(
        "every_service_sends_its_diagnostics",
        "no metrics",
        put(_DIAG, "properties.metrics", [], named="psql-broker-prod-c2"),
    ),
    Mutation(
        "logs_stay_in_their_region",
        "elsewhere",
        copy(_DIAG, "properties.workspaceId", named="kv-prod-c2", other="kv-prod-c1"),
    ),
    Mutation("logs_stay_in_their_region", "a month", put(_LOGS, "properties.retentionInDays", 30)),
    Mutation("logs_stay_in_their_region", "cut", put(_LOGS, "properties.workspaceCapping.dailyQuotaGb", 1)),
    Mutation(
        "what_holds_data_is_locked", "read only", put("Microsoft.Authorization/locks", "properties.level", "ReadOnly")
    ),
    Mutation(
        "somebody_is_called", "nobody", put("Microsoft.Insights/actionGroups", "properties.emailReceivers", []), "dev"
    ),
    Mutation("somebody_is_called", "off", put("Microsoft.Insights/metricAlerts", "properties.enabled", False)),
    Mutation(
        "somebody_is_called",
        "no action",
        put("Microsoft.Insights/scheduledQueryRules", "properties.actions.actionGroups", []),
    ),
    Mutation("somebody_is_called", "asleep", put("Microsoft.Insights/metricAlerts", "properties.severity", 4)),
    Mutation("somebody_is_called", "unwatched", drop("Microsoft.Insights/metricAlerts", named="c2-redis")),
    Mutation("every_cell_has_a_budget", "none", drop("Microsoft.Consumption/budgets")),
    Mutation(
        "every_cell_has_a_budget", "silent", put("Microsoft.Consumption/budgets", "properties.notifications", {}), "dev"
    ),
    Mutation("every_cell_has_a_budget", "zero", put("Microsoft.Consumption/budgets", "properties.amount", 0)),
    Mutation("resources_are_tagged", "none", put("Microsoft.KeyVault/vaults", "tags", {}), "dev"),
    Mutation(
        "resources_are_tagged",
        "no cell",
        put("Microsoft.KeyVault/vaults", "tags", {"workload": "broker", "environment": "prod"}),
    ),
    Mutation("resources_are_tagged", "wrong environment", put("Microsoft.Cdn/profiles", "tags.environment", "dev")),
    Mutation(
        "everything_is_in_its_region", "abroad", put("Microsoft.KeyVault/vaults", "location", "westeurope"), "dev"
    ),
    Mutation(
        "everything_is_in_its_region", "other region", put("Microsoft.KeyVault/vaults", "location", "centralindia")
    ),
    Mutation(
        "names_are_as_azure_takes_them",
        "long",
        put(
            "Microsoft.KeyVault/vaults",
            "id",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/" + "k" * 25,
        ),
    ),
)
