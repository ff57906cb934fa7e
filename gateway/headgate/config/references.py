"""Names in one document that another must define."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from pydantic import BaseModel

from headgate.config.access import Access
from headgate.config.corpus import Corpus, Place, fits
from headgate.config.environment import joins
from headgate.config.experiment import Experiment
from headgate.config.extensions import Extensions, Lookup
from headgate.config.gateway import Gateway, PluginUse
from headgate.config.kinds import Document
from headgate.config.policy import Guards, Overlay, Policy, Select
from headgate.config.problems import ConfigError, Problem, did_you_mean
from headgate.config.validation import validate
from headgate.config.yaml import Node


def unknown_names(corpus: Corpus, extensions: Extensions) -> list[Problem]:
    """Everything that is named and not there. Imports no extension."""
    return [
        *_providers(corpus, extensions.providers),
        *_plugins(corpus, extensions.plugins),
        *_labels(corpus),
        *_teams(corpus),
        *_guards(corpus),
        *_overlays(corpus),
        *_experiments(corpus),
        *_selections(corpus),
    ]


def _unknown(what: str, name: str, known: Iterable[str], place: Place, *at: str | int) -> Problem:
    names = sorted(set(known))
    hint = did_you_mean(name, names)
    if not hint:
        hint = f"; known are {', '.join(names)}" if 0 < len(names) <= 12 else ""
    return place.problem(f"there is no {what} `{name}`{hint}", *at)


def _providers(corpus: Corpus, lookup: Lookup) -> Iterator[Problem]:
    known = set(lookup.names())
    for deployment, place in corpus.deployments():
        if deployment.provider not in known:
            yield _unknown("provider", deployment.provider, known, place, "provider")


def _plugins(corpus: Corpus, lookup: Lookup) -> Iterator[Problem]:
    known = set(lookup.names())
    for plugin, place in _plugin_uses(corpus):
        if plugin.use not in known:
            yield _unknown("plugin", plugin.use, known, place, "use")


def _plugin_uses(corpus: Corpus) -> Iterator[tuple[PluginUse, Place]]:
    for document in corpus.of(Gateway):
        for index, plugin in enumerate(document.content.spec.plugins):
            yield plugin, Place(document, ("spec", "plugins", index))


def option_problems(
    corpus: Corpus, extensions: Extensions, environ: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Options that the extensions' own schemas refuse, and extensions that cannot be loaded.

    Only what joins in `environ` is imported, so that a vendor's library is neither needed nor paid
    for where no deployment uses it. Without an `environ` everything is looked at, as far as it is
    installed.
    """
    schema_of = cache(extensions.providers.options)
    for deployment, place in corpus.deployments():
        if environ is None or joins(deployment, environ):
            optional = environ is None and deployment.requires_env is not None
            yield from _refused(schema_of, deployment.provider, place, "provider", optional)
    for plugin, place in _plugin_uses(corpus):
        yield from _refused(extensions.plugins.options, plugin.use, place, "use", optional=False)


def _refused(
    schema_of: Callable[[str], type[BaseModel]],
    name: str,
    place: Place,
    key: str,
    optional: bool,
) -> Iterator[Problem]:
    try:
        schema = schema_of(name)
    except LookupError as error:
        if not optional:
            yield place.problem(str(error), key)
        return
    source = place.document.source
    parent = source.node.at(*place.path)
    node = parent.child("options") or Node({}, parent.mark)
    try:
        validate(schema, node, source.file)
    except ConfigError as error:
        for problem in error.problems:
            yield Problem(f"options: {problem.message}", problem.file, problem.mark)


def _labels(corpus: Corpus) -> Iterator[Problem]:
    labels = corpus.catalog.sensitivity
    for deployment, place in corpus.deployments():
        if deployment.clearance is not None and deployment.clearance not in labels:
            yield _unknown("label", deployment.clearance, labels, place, "clearance")
    for access in corpus.of(Access):
        for index, team in enumerate(access.content.spec.teams):
            if team.label is not None and team.label not in labels:
                place = Place(access, ("spec", "teams", index))
                yield _unknown("label", team.label, labels, place, "label")
    for route, place in corpus.routes():
        for index, label in enumerate(route.match.label or ()):
            if label not in labels:
                yield _unknown("label", label, labels, place, "match", "label", index)
    for policy in corpus.of(Policy):
        for index, test in enumerate(policy.content.spec.tests):
            if test.given.label is not None and test.given.label not in labels:
                place = Place(policy, ("spec", "tests", index, "given"))
                yield _unknown("label", test.given.label, labels, place, "label")


def _teams(corpus: Corpus) -> Iterator[Problem]:
    teams = [team.name for team in corpus.access.teams]
    for document in corpus.of(Access):
        for index, key in enumerate(document.content.spec.keys):
            if key.team not in teams:
                place = Place(document, ("spec", "keys", index))
                yield _unknown("team", key.team, teams, place, "team")


def _guards(corpus: Corpus) -> Iterator[Problem]:
    plugins = [plugin.use for plugin in corpus.gateway.plugins]
    owners: list[tuple[Guards, Place]] = [
        (route.guards, Place(place.document, (*place.path, "guards")))
        for route, place in corpus.routes()
    ]
    for document in corpus.of(Overlay):
        owners.append((document.content.spec.guards, Place(document, ("spec", "guards"))))
    for guards, place in owners:
        for side, listed in (("input", guards.input), ("output", guards.output)):
            for index, guard in enumerate(listed):
                if guard.use not in plugins:
                    hint = did_you_mean(guard.use, plugins)
                    message = f"the plugin `{guard.use}` is not among the Gateway's `plugins`{hint}"
                    yield place.problem(message, side, index, "use")


def _overlays(corpus: Corpus) -> Iterator[Problem]:
    routes = [route.name for route, _ in corpus.routes()]
    policies = [policy.name for policy in corpus.contents(Policy)]
    for overlay in corpus.of(Overlay):
        for index, name in enumerate(overlay.content.spec.over):
            if name not in routes and name not in policies:
                known = [*routes, *policies]
                place = Place(overlay, ("spec", "over"))
                yield _unknown("route or policy", name, known, place, index)


def _experiments(corpus: Corpus) -> Iterator[Problem]:
    routes = {route.name: route for route, _ in corpus.routes()}
    first: dict[str, Place] = {}
    for document in corpus.of(Experiment):
        spec, place = document.content.spec, Place(document, ("spec",))
        if spec.route not in routes:
            yield _unknown("route", spec.route, routes, place, "route")
        elif routes[spec.route].deny:
            yield place.problem(f"route `{spec.route}` denies; there is nothing to try", "route")
        elif spec.route in first:
            other = Place(first[spec.route].document, ("metadata",))
            yield place.problem(f"route `{spec.route}` has an experiment, at {other}", "route")
        first.setdefault(spec.route, place)
        for index, test in enumerate(spec.tests):
            if test.expect.arm not in spec.arms:
                at = ("tests", index, "expect", "arm")
                yield _unknown("arm", test.expect.arm, spec.arms, place, *at)


def _selects(corpus: Corpus) -> Iterator[tuple[Select, Place]]:
    for route, place in corpus.routes():
        for index, tier in enumerate(route.tiers):
            yield tier.select, Place(place.document, (*place.path, "tiers", index, "select"))
    for document in corpus.of(Experiment):
        yield from _arms(document)


def _arms(document: Document[Experiment]) -> Iterator[tuple[Select, Place]]:
    for name, arm in document.content.spec.arms.items():
        yield arm.select, Place(document, ("spec", "arms", name, "select"))


def _selections(corpus: Corpus) -> Iterator[Problem]:
    """Deployments and models that a tier or an arm names; both may have been given as globs."""
    catalog = corpus.catalog
    deployments = [one.name for one in catalog.deployments]
    aliases = [alias for model in catalog.models.values() for alias in model.aliases]
    models = [*catalog.models, *aliases, *(one.model for one in catalog.deployments)]
    models += [name for one in catalog.deployments for name in one.serves]
    for select, place in _selects(corpus):
        for key, names, known in (
            ("deployment", select.deployment, deployments),
            ("model", select.model, models),
        ):
            for index, name in enumerate(names or ()):
                if not any(fits(name, one) for one in known):
                    yield _unknown(key, name, known, place, key, index)
