"""Who may call what: one row per route, read together. `yunhe.api.access` says what a row means."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.api.access import Row, row
from yunhe.identity.domain import AGENT

ADMIN = ("administrator",)
"""Members, roles, keys, secrets and webhooks of one's own organisation."""
LOOKING = ("operator", "auditor", "risk_officer")
"""Of the operator's and regulators' members, those who look beyond their organisation."""
OPERATING = ("operator",)
"""Those who run the platform, in the operator's organisation."""
MONEY = ("administrator", "buyer", "auditor", "operator")
"""Those who see what an organisation has and owes."""
COMPUTING = ("administrator", "trainer")
"""Those who run workloads and see what they wrote."""
AWARDING = ("operator", "risk_officer")
"""Those who decide about applications, as each programme's rule set says."""
SENDING = ("data_steward", "trainer", "administrator", "operator")
"""Those who send files and remove them again: what they send fills their organisation's share."""
HOLDING = ("administrator", "data_steward", "auditor")
"""Those who see what data an organisation holds."""
OWNING = ("trainer", "release_owner", "administrator")
"""Those who decide for its owner whom a model is shown to."""
DECIDING = ("risk_officer", "release_owner")
"""Those who approve, as in `governance/rules/release.yaml`."""
REVIEWING = ("data_steward", "auditor", "evaluator")
"""Those who look at items of a dataset and judge them, where they had no part in making it."""
SHOWING = ("data_steward", "trainer", "evaluator", *DECIDING)
"""Those who put evidence on record, likewise."""

ROWS: Mapping[str, Row] = {
    # identity
    "GET /v1/me": row(),
    "PUT /v1/me/contact": row("identity:write"),
    "GET /v1/organisations": row("identity:read", beyond=LOOKING),
    "POST /v1/organisations": row("identity:write", "operator", who="operator"),
    "GET /v1/organisations/{organisation}": row("identity:read", beyond=LOOKING),
    "PUT /v1/organisations/{organisation}/city": row("identity:write", "operator", who="operator"),
    "GET /v1/cities": row("compute:read", "operator", "auditor", who="operator"),
    "PUT /v1/cities/{city}": row("identity:write", "operator", who="operator"),
    "DELETE /v1/cities/{city}": row("identity:write", "operator", who="operator"),
    "GET /v1/projects": row("identity:read", beyond=LOOKING),
    "POST /v1/projects": row("identity:write", *ADMIN),
    "GET /v1/members": row("identity:read", *ADMIN, beyond=OPERATING),
    "GET /v1/members/{member}": row("identity:read", *ADMIN, beyond=OPERATING),
    "DELETE /v1/members/{member}": row("identity:write", beyond=OPERATING),
    "POST /v1/members/{member}/roles": row("identity:write", *ADMIN, beyond=OPERATING),
    "DELETE /v1/members/{member}/roles/{role}": row("identity:write", beyond=OPERATING),
    "POST /v1/service-accounts": row("identity:write", *ADMIN),
    # keys, invitations and sign-in
    "GET /v1/keys": row("identity:read"),
    "POST /v1/keys": row("identity:write"),
    "GET /v1/keys/{key}": row("identity:read"),
    "DELETE /v1/keys/{key}": row("identity:write"),
    "GET /v1/invitations": row("identity:read", *ADMIN, beyond=OPERATING),
    "POST /v1/invitations": row("identity:write", *ADMIN, beyond=OPERATING),
    "DELETE /v1/invitations/{invitation}": row("identity:write", *ADMIN, beyond=OPERATING),
    "POST /v1/members/{member}/entries": row("identity:write", *ADMIN, beyond=OPERATING),
    "POST /v1/invitations/accept": row(who="anyone"),
    "POST /v1/operator": row(who="anyone"),
    "GET /v1/session": row(),
    "POST /v1/session": row(),
    "GET /auth/login": row(who="anyone"),
    "GET /auth/callback": row(who="anyone"),
    "POST /auth/link": row("identity:write"),
    "POST /auth/logout": row(),
    # the document of these routes
    "GET /v1/openapi.json": row(who="anyone"),
    # operations
    "GET /v1/operations": row("operations:read", beyond=OPERATING),
    "GET /v1/operations/{operation}": row("operations:read", beyond=OPERATING),
    "GET /v1/operations/{operation}/events": row("operations:read", beyond=OPERATING),
    "POST /v1/operations/{operation}/cancel": row("operations:write", beyond=OPERATING),
    # uploads: what corpus works on
    "POST /v1/uploads": row("corpus:write", *SENDING),
    "GET /v1/uploads/{digest}": row("corpus:read"),
    "DELETE /v1/uploads/{digest}": row("corpus:write", *SENDING),
    "GET /v1/uploads/{digest}/content": row("corpus:read"),
    # custody
    "GET /v1/log/checkpoint": row(who="anyone"),
    "GET /v1/log/trust": row(who="anyone"),
    "GET /v1/log/audit": row("custody:read", "operator", "auditor", who="operator"),
    "POST /v1/log/audits": row("custody:write", "operator", who="operator"),
    "POST /v1/verify": row(who="anyone"),
    "GET /v1/records/{reference}": row("custody:read", beyond=LOOKING),
    "GET /v1/records/{reference}/receipt": row("custody:read", beyond=LOOKING),
    # vault
    "GET /v1/secrets": row("vault:read", *ADMIN),
    "PUT /v1/secrets/{secret}": row("vault:write", *ADMIN),
    "DELETE /v1/secrets/{secret}": row("vault:write", *ADMIN),
    # compute
    "GET /v1/pools": row("compute:read"),
    "POST /v1/pools": row("compute:write", "operator", who="operator"),
    "GET /v1/offers": row("compute:read"),
    "POST /v1/pools/{pool}/change": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/prices": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/prices/{price}/end": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/nodes": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/nodes/{node}/change": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/maintenance": row("compute:write", *ADMIN, beyond=OPERATING),
    "POST /v1/pools/{pool}/maintenance/{maintenance}/cancel": row(
        "compute:write", *ADMIN, beyond=OPERATING
    ),
    "GET /v1/chips": row("compute:read"),
    "GET /v1/rate-cards": row("compute:read"),
    "POST /v1/rate-cards": row("compute:write", "operator", who="operator"),
    "GET /v1/disputes": row("compute:read", beyond=LOOKING),
    "POST /v1/disputes": row("compute:write", *COMPUTING),
    "POST /v1/disputes/{dispute}/decide": row("compute:write", "operator", who="operator"),
    "GET /v1/normalised": row("compute:read"),
    "GET /v1/awards": row("compute:read", beyond=LOOKING),
    "POST /v1/awards": row("compute:write", "operator", who="operator"),
    "GET /v1/windows": row("compute:read", *COMPUTING, beyond=LOOKING),
    "POST /v1/windows": row("compute:write", "operator", who="operator"),
    "POST /v1/windows/{window}/change": row("compute:write", "operator", who="operator"),
    "GET /v1/vouchers": row("compute:read", beyond=LOOKING),
    "POST /v1/vouchers": row("compute:write", "operator", who="operator"),
    "GET /v1/entry-points": row("compute:read"),
    "POST /v1/entry-points": row("compute:write", "operator", who="operator"),
    "POST /v1/previews": row("compute:write", *COMPUTING),
    "GET /v1/workloads": row("compute:read", *COMPUTING, beyond=LOOKING),
    "POST /v1/workloads": row("compute:write", *COMPUTING),
    "GET /v1/workloads/{workload}": row("compute:read", *COMPUTING, beyond=LOOKING),
    "POST /v1/workloads/{workload}/cancel": row("compute:write", *COMPUTING, beyond=OPERATING),
    "GET /v1/services": row("compute:read", *COMPUTING, beyond=LOOKING),
    "POST /v1/services": row("compute:write", *COMPUTING),
    "GET /v1/services/{service}": row("compute:read", *COMPUTING, beyond=LOOKING),
    "POST /v1/services/{service}/change": row("compute:write", *COMPUTING),
    "POST /v1/services/{service}/stop": row("compute:write", *COMPUTING, beyond=OPERATING),
    "POST /v1/services/{service}/load": row("compute:write", *COMPUTING),
    "PUT /v1/forwarded/{job}": row("compute:write", *COMPUTING),
    "PUT /v1/forwarded/{job}/inputs": row("compute:write", *COMPUTING),
    "GET /v1/forwarded": row("compute:read", *COMPUTING),
    "POST /v1/forwarded/{job}/cancel": row("compute:write", *COMPUTING),
    "DELETE /v1/forwarded/{job}": row("compute:write", *COMPUTING),
    "GET /v1/capacity": row("compute:read"),
    "PUT /v1/agents/{site}": row(AGENT, *ADMIN),
    "POST /v1/agents/{site}/work": row(AGENT, *ADMIN),
    "PUT /v1/agents/{site}/jobs/{job}": row(AGENT, *ADMIN),
    "PUT /v1/agents/{site}/jobs/{job}/log": row(AGENT, *ADMIN),
    "GET /v1/agents/{site}/jobs/{job}/inputs/{name}": row(AGENT, *ADMIN),
    "POST /v1/agents/{site}/jobs/{job}/outputs/{name}": row(AGENT, *ADMIN),
    "GET /v1/plan": row("compute:read", "operator", "auditor", who="operator"),
    "GET /v1/weights": row("compute:read", "operator", "auditor", who="operator"),
    "PUT /v1/weights": row("compute:write", "operator", who="operator"),
    "GET /v1/policy": row("compute:read"),
    "PUT /v1/policy": row("compute:write", "operator", who="operator"),
    "GET /v1/limits": row("compute:read", "operator", "auditor", who="operator"),
    "PUT /v1/limits": row("compute:write", "operator", who="operator"),
    "GET /v1/ways": row("compute:read"),
    "PUT /v1/ways": row("compute:write", "operator", who="operator"),
    "GET /v1/queue": row("compute:read", *COMPUTING, beyond=LOOKING),
    "GET /v1/workloads/{workload}/why": row("compute:read", *COMPUTING, beyond=LOOKING),
    "GET /v1/usage": row("compute:read", *COMPUTING, *MONEY, beyond=LOOKING),
    "GET /v1/usage/focus": row("compute:read", *MONEY, beyond=LOOKING),
    "POST /v1/periods": row("compute:write", "operator", who="operator"),
    "GET /v1/invoices": row("compute:read", *MONEY, beyond=LOOKING),
    "GET /v1/invoices/{invoice}": row("compute:read", *MONEY, beyond=LOOKING),
    "GET /v1/invoices/{invoice}/document": row("compute:read", *MONEY, beyond=LOOKING),
    "GET /v1/provider-statements": row("compute:read", *MONEY, beyond=LOOKING),
    "POST /v1/provider-statements": row("compute:write", "operator", who="operator"),
    "GET /v1/provider-statements/{statement}/findings": row("compute:read", *MONEY, beyond=LOOKING),
    "POST /v1/corrections": row("compute:write", "operator", who="operator"),
    "GET /v1/workloads/{workload}/log": row("compute:read", *COMPUTING),
    "GET /v1/workloads/{workload}/log/stream": row("compute:read", *COMPUTING),
    "GET /v1/workloads/{workload}/execs": row("compute:read", *COMPUTING),
    "POST /v1/workloads/{workload}/execs": row("compute:write", *COMPUTING),
    "GET /v1/execs/{exec}": row("compute:read", *COMPUTING),
    "GET /v1/execs/{exec}/stream": row("compute:read", *COMPUTING),
    "POST /v1/execs/{exec}/input": row("compute:write", *COMPUTING),
    "POST /v1/execs/{exec}/end": row("compute:write", *COMPUTING),
    "GET /v1/workloads/{workload}/outputs/{output}": row("compute:read", *COMPUTING),
    # applications
    "GET /v1/programmes": row("compute:read"),
    "POST /v1/rulings": row("compute:write"),
    "POST /v1/funds": row("compute:write", "operator", who="operator"),
    "GET /v1/affiliations": row("compute:read", "operator", "auditor", who="operator"),
    "POST /v1/affiliations": row("compute:write", "operator", who="operator"),
    "GET /v1/applications": row("compute:read", *COMPUTING, "verifier", beyond=LOOKING),
    "POST /v1/applications": row("compute:write", *COMPUTING),
    "GET /v1/applications/{application}": row(
        "compute:read", *COMPUTING, "verifier", beyond=LOOKING
    ),
    "POST /v1/applications/{application}/amend": row("compute:write", *COMPUTING),
    "POST /v1/applications/{application}/withdraw": row("compute:write", *COMPUTING),
    "POST /v1/applications/{application}/decide": row("compute:write", *AWARDING, "verifier"),
    "POST /v1/applications/{application}/votes": row("compute:write", *AWARDING),
    "POST /v1/applications/{application}/report": row("compute:write", *COMPUTING),
    "POST /v1/applications/{application}/close": row("compute:write", *AWARDING),
    "POST /v1/applications/{application}/redeem": row("compute:write", *COMPUTING),
    "POST /v1/applications/{application}/confirm": row("compute:write", *ADMIN),
    "POST /v1/applications/{application}/pay": row("compute:write", *AWARDING),
    # corpus
    "POST /v1/cleansings": row("corpus:write", "data_steward"),
    "GET /v1/certificates": row("corpus:read", *HOLDING, beyond=LOOKING),
    "GET /v1/certificates/{certificate}": row("corpus:read", *HOLDING, beyond=LOOKING),
    "GET /v1/certificates/{certificate}/files/{part}": row("corpus:read", "data_steward"),
    "GET /v1/certificates/{certificate}/datasheet": row("corpus:read", *HOLDING, beyond=LOOKING),
    "GET /v1/certificates/{certificate}/croissant": row("corpus:read", *HOLDING, beyond=LOOKING),
    # reviews of certified datasets
    "POST /v1/checks": row("corpus:write", "data_steward"),
    "GET /v1/reviews": row("corpus:read", "administrator", *REVIEWING, beyond=LOOKING),
    "POST /v1/reviews": row("corpus:write", "data_steward"),
    "GET /v1/reviews/{review}": row("corpus:read", "administrator", *REVIEWING, beyond=LOOKING),
    "POST /v1/reviews/{review}/claims": row("corpus:write", *REVIEWING, beyond=("auditor",)),
    "POST /v1/reviews/{review}/release": row("corpus:write", *REVIEWING, beyond=("auditor",)),
    "POST /v1/reviews/{review}/judgements": row("corpus:write", *REVIEWING, beyond=("auditor",)),
    "POST /v1/reviews/{review}/withdraw": row("corpus:write", "data_steward"),
    # sources, and libraries of risk words
    "GET /v1/sources": row("corpus:read", *HOLDING, beyond=LOOKING),
    "POST /v1/sources": row("corpus:write", "data_steward"),
    "GET /v1/sources/{source}": row("corpus:read", *HOLDING, beyond=LOOKING),
    "POST /v1/sources/{source}/samples": row("corpus:write", *REVIEWING),
    "POST /v1/sources/{source}/decide": row("corpus:write", "data_steward", "auditor"),
    "GET /v1/keyword-libraries": row("corpus:read", *HOLDING, beyond=LOOKING),
    "POST /v1/keyword-libraries": row("corpus:write", "data_steward"),
    "GET /v1/keyword-libraries/{library}": row("corpus:read", *HOLDING, beyond=LOOKING),
    # exchange
    "GET /v1/listings": row("exchange:read", beyond=LOOKING),
    "GET /v1/listings/{listing}": row("exchange:read", beyond=LOOKING),
    "POST /v1/listings": row("exchange:write", "data_steward"),
    "POST /v1/listings/{listing}/withdraw": row("exchange:write", "data_steward"),
    "GET /v1/orders": row("exchange:read", *MONEY, beyond=LOOKING),
    "GET /v1/orders/{order}": row("exchange:read", *MONEY, beyond=LOOKING),
    "POST /v1/orders": row("exchange:write", "buyer"),
    "POST /v1/orders/{order}/cancel": row("exchange:write", "buyer"),
    "GET /v1/grants": row("exchange:read", beyond=LOOKING),
    "GET /v1/grants/{grant}": row("exchange:read", beyond=LOOKING),
    "POST /v1/grants/{grant}/revoke": row("exchange:write", "data_steward"),
    "POST /v1/grants/{grant}/open": row("exchange:write", "buyer", "trainer", "evaluator"),
    # plans
    "GET /v1/runs": row("plans:read", "operator", beyond=OPERATING, who="operator"),
    "POST /v1/runs": row("plans:write", "operator", who="operator"),
    "GET /v1/runs/{run}": row("plans:read", "operator", beyond=OPERATING, who="operator"),
    "GET /v1/runs/{run}/report": row("plans:read", "operator", beyond=OPERATING, who="operator"),
    # erasure
    "POST /v1/erasures": row("identity:write", *ADMIN, beyond=OPERATING),
    # notices
    "GET /v1/notices": row("notices:read"),
    "POST /v1/notices/read": row("notices:write"),
    "GET /v1/notices/preferences": row("notices:read"),
    "PUT /v1/notices/preferences": row("notices:write"),
    "GET /v1/webhooks": row("notices:read", *ADMIN),
    "POST /v1/webhooks": row("notices:write", *ADMIN),
    "GET /v1/webhooks/{webhook}": row("notices:read", *ADMIN),
    "DELETE /v1/webhooks/{webhook}": row("notices:write", *ADMIN),
    "POST /v1/webhooks/{webhook}/rotate": row("notices:write", *ADMIN),
    "POST /v1/webhooks/{webhook}/resume": row("notices:write", *ADMIN),
    "GET /v1/webhooks/{webhook}/deliveries": row("notices:read", *ADMIN),
    "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver": row("notices:write", *ADMIN),
    # ledger
    "GET /v1/accounts": row("ledger:read", *MONEY, beyond=LOOKING),
    "GET /v1/accounts/{account}": row("ledger:read", *MONEY, beyond=LOOKING),
    "GET /v1/accounts/{account}/entries": row("ledger:read", *MONEY, beyond=LOOKING),
    "POST /v1/issuances": row("ledger:write", "operator", who="operator"),
    "POST /v1/transfers": row("ledger:write", "buyer"),
    # models
    "GET /v1/models": row("models:read", beyond=LOOKING),
    "POST /v1/models": row("models:write", "trainer"),
    "GET /v1/models/{model}": row("models:read", beyond=LOOKING),
    "GET /v1/models/{model}/files/card": row("models:read", beyond=LOOKING),
    "GET /v1/models/{model}/files/manifest": row("models:read", beyond=LOOKING),
    "GET /v1/models/{model}/files/model": row("models:read", "trainer", "release_owner"),
    "GET /v1/models/{model}/reviewers": row("models:read", *OWNING, beyond=LOOKING),
    "PUT /v1/models/{model}/reviewers/{organisation}": row(
        "models:write", *OWNING, beyond=OPERATING
    ),
    "DELETE /v1/models/{model}/reviewers/{organisation}": row(
        "models:write", *OWNING, beyond=OPERATING
    ),
    "GET /v1/deployments": row("models:read", beyond=LOOKING),
    "POST /v1/deployments": row("models:write", "release_owner", beyond=OPERATING),
    "GET /v1/deployments/{deployment}": row("models:read", beyond=LOOKING),
    # evaluation
    "GET /v1/splits": row("evaluation:read", beyond=LOOKING),
    "POST /v1/splits": row("evaluation:write", "trainer"),
    "GET /v1/splits/{split}": row("evaluation:read", beyond=LOOKING),
    "POST /v1/evaluations": row("evaluation:write", "evaluator"),
    "GET /v1/evaluations/{evaluation}": row("evaluation:read", beyond=LOOKING),
    "GET /v1/models/{model}/evaluations": row("evaluation:read", beyond=LOOKING),
    # governance
    "GET /v1/questionnaire": row("governance:read"),
    "POST /v1/gradings/preview": row("governance:write"),
    "POST /v1/risks": row("governance:write", "risk_officer", beyond=("risk_officer",)),
    "GET /v1/risks/{risk}": row("governance:read", beyond=LOOKING),
    "GET /v1/models/{model}/risks": row("governance:read", beyond=LOOKING),
    "GET /v1/risks/{risk}/measures": row("governance:read", beyond=LOOKING),
    "POST /v1/evidence": row("governance:write", *SHOWING, beyond=("operator", *DECIDING)),
    "POST /v1/approvals": row("governance:write", *DECIDING, beyond=DECIDING),
    "GET /v1/models/{model}/approvals": row("governance:read", beyond=LOOKING),
    "POST /v1/releases": row("governance:write", "release_owner", beyond=("release_owner",)),
    "GET /v1/models/{model}/releases": row("governance:read", beyond=LOOKING),
    "POST /v1/models/{model}/withdraw": row("governance:write", *DECIDING, beyond=DECIDING),
}
"""``"METHOD /path"`` → row, for every route there is."""
