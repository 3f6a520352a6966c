"""The examples of deployment: our own parser and settings read what they say. Nothing here runs a cluster."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import load_settings
from config.settings.load import variable_of
from config.settings.table import Settings
from flows.live.shutdown import GRACE_S
from tests.parts.machine import ROOT
from zhiyin.cli.parser import command_parser

FOLDER = ROOT / "deploy" / "kubernetes"
VARIABLES = {variable_of(name) for name in Settings.__struct_fields__}
PORTS = {"http": 8080, "desks": 8081, "engine": 9102, "gateway": 9101}
SUBSTITUTION = re.compile(r"\$\{(\w+)(?::([-+?])([^}]*))?\}")


def compose_services(environ: dict[str, str]) -> dict[str, Any]:
    """The services of our image, with variables filled in as Compose does."""
    text = SUBSTITUTION.sub(
        lambda found: _filled(found, environ), (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    )
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return {name: service for name, service in services.items() if service.get("image") == "zhiyin"}


def _filled(found: re.Match[str], environ: dict[str, str]) -> str:
    value, how, other = environ.get(found[1], ""), found[2], found[3] or ""
    if how == "+":
        return other if value else ""
    return value or (other if how == "-" else "")


SECRETS = {"ZHIYIN_TOKEN_SECRET": "t" * 32, "ZHIYIN_WRITE_KEYS": "k"}


class TestCompose:
    def settings(self, service: dict[str, Any]) -> Settings:
        given = {name: "" if text is None else str(text) for name, text in service["environment"].items()}
        return load_settings(given)

    def test_settings_are_known_and_go_together(self) -> None:
        services = compose_services(SECRETS)
        assert set(services) == {"engine", "engine-1", "gateway"}
        for name in ("engine", "gateway"):
            command_parser().parse_args(services[name]["command"])
            assert self.settings(services[name]).engine_addresses == ()
            assert self.settings(services[name]).engine_process_id is None

    def test_two_engines_share_the_work_and_a_volume(self) -> None:
        services = compose_services(SECRETS | {"ZHIYIN_ENGINE_ADDRESSES": "engine:2101,engine-1:2101"})
        engines = [services["engine"], services["engine-1"]]
        settings = [self.settings(engine) for engine in engines]
        assert [each.engine_process_id for each in settings] == [0, 1]
        assert {each.engine_addresses for each in settings} == {("engine:2101", "engine-1:2101")}
        assert len({each.recovery_dir for each in settings}) == 1
        assert engines[0]["volumes"] == engines[1]["volumes"]
        assert "profiles" not in engines[0]
        assert engines[1]["profiles"] == ["two-engines"]
        assert all(engine["restart"] == "unless-stopped" for engine in engines)
        assert all(int(engine["stop_grace_period"].rstrip("s")) > GRACE_S for engine in engines)


def documents() -> list[dict[str, Any]]:
    return [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text("utf-8"))]


def of_kind(kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in documents() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = of_kind(*WORKLOADS[name])["spec"]["template"]["spec"]
    return pod


def container_of(name: str) -> dict[str, Any]:
    [container] = pod_of(name)["containers"]
    found: dict[str, Any] = container
    return found


def variables_of(name: str) -> dict[str, str]:
    """What a container is given as far as the files say."""
    container = container_of(name)
    given: dict[str, str] = dict(of_kind("ConfigMap", "zhiyin-settings")["data"])
    return given | {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


WORKLOADS = {"engine": ("StatefulSet", "zhiyin-engine"), "gateway": ("Deployment", "zhiyin-gateway")}
BOTH = pytest.mark.parametrize("name", sorted(WORKLOADS))


class TestKubernetes:
    def test_every_object_has_what_kubernetes_wants_of_each(self) -> None:
        found = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in documents()]
        assert len(found) == len(set(found)) >= 8

    @BOTH
    def test_the_command_exists(self, name: str) -> None:
        assert command_parser().parse_args(container_of(name)["args"]).command == name

    @BOTH
    def test_settings_are_known_and_go_together(self, name: str) -> None:
        container = container_of(name)
        assert {each["name"] for each in container.get("env", ())} <= VARIABLES
        load_settings(variables_of(name) | SECRETS | {"REDIS_URL": "redis://:p@redis:6379/0"})
        sources = [key for each in container["envFrom"] for key in each]
        assert sources == ["configMapRef", "secretRef"]

    def test_the_secret_that_is_described_has_variables_of_ours(self) -> None:
        text = (FOLDER / "settings.yaml").read_text("utf-8")
        assert set(re.findall(r"--from-literal=(\w+)=", text)) == {"REDIS_URL", *SECRETS} <= VARIABLES

    @BOTH
    def test_names_of_services_do_not_come_as_variables(self, name: str) -> None:
        assert pod_of(name)["enableServiceLinks"] is False

    @BOTH
    def test_there_is_more_time_to_stop_than_it_takes(self, name: str) -> None:
        assert pod_of(name)["terminationGracePeriodSeconds"] >= 2 * GRACE_S

    @BOTH
    def test_probes_ask_ports_that_are_served(self, name: str) -> None:
        container = container_of(name)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["metrics"] == PORTS[name]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports

    @BOTH
    def test_it_can_write_nowhere_but_to_its_volumes(self, name: str) -> None:
        container, pod = container_of(name), pod_of(name)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}

    @BOTH
    def test_selectors_find_the_pods(self, name: str) -> None:
        workload = of_kind(*WORKLOADS[name])["spec"]
        labels = workload["template"]["metadata"]["labels"]
        service = of_kind("Service", f"zhiyin-{name}")["spec"]
        assert workload["selector"]["matchLabels"].items() <= labels.items()
        assert service["selector"].items() <= labels.items()
        served = {port["containerPort"] for port in container_of(name)["ports"]}
        assert {port["port"] for port in service["ports"]} <= served

    def test_each_engine_knows_all_and_which_it_is(self) -> None:
        workload = of_kind(*WORKLOADS["engine"])["spec"]
        service = of_kind("Service", workload["serviceName"])
        addresses = [f"zhiyin-engine-{n}.{service['metadata']['name']}:2101" for n in range(workload["replicas"])]
        assert variables_of("engine")["ZHIYIN_ENGINE_ADDRESSES"].split(",") == addresses
        [number] = [each for each in container_of("engine")["env"] if each["name"] == "ZHIYIN_ENGINE_PROCESS_ID"]
        assert number["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
        assert workload["podManagementPolicy"] == "Parallel"

    def test_engines_share_one_volume_with_the_recovery_folder(self) -> None:
        pod, container = pod_of("engine"), container_of("engine")
        claims = {each["name"]: each.get("persistentVolumeClaim", {}).get("claimName") for each in pod["volumes"]}
        [mount] = [each for each in container["volumeMounts"] if claims[each["name"]] is not None]
        claim = of_kind("PersistentVolumeClaim", str(claims[mount["name"]]))
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        assert Path(variables_of("engine")["ZHIYIN_RECOVERY_DIR"]).is_relative_to(mount["mountPath"])

    def test_only_engines_reach_the_port_between_them(self) -> None:
        policy = of_kind("NetworkPolicy", "zhiyin-engine")["spec"]
        for rule in policy["ingress"]:
            if {"port": 2101} in rule["ports"]:
                [allowed] = rule["from"]
                assert allowed["podSelector"] == policy["podSelector"]
