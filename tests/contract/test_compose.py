"""The compose file keeps its promises: pinned, checked, on loopback, and spelled as the code spells it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.commands.train import DEFAULT_OUT
from inference.serving.settings import RankerSettings
from runtime.environment import load
from runtime.settings import KafkaSettings, RedisSettings
from streams.agent.settings import AgentSettings
from streams.lag.settings import LagSettings
from tests.contract.compose import (
    ROOT,
    Service,
    compose_file,
    environment,
    is_one_shot,
    own_services,
    services,
)
from tests.tools import PROFILES

SETTINGS: dict[str, type] = {
    "SOLARIS_KAFKA": KafkaSettings,
    "SOLARIS_REDIS": RedisSettings,
    "SOLARIS_RANKER": RankerSettings,
    "SOLARIS_AGENT": AgentSettings,
    "SOLARIS_LAG": LagSettings,
}
SINGLE_VARIABLES = {"SOLARIS_MODEL": "runtime/settings.py", "SOLARIS_LOG_LEVEL": "runtime/logs.py"}

every_service = pytest.mark.parametrize(("name", "service"), services().items(), ids=list(services()))
every_own_service = pytest.mark.parametrize(("name", "service"), own_services().items(), ids=list(own_services()))


def host_ports(service: Service) -> Iterator[tuple[str, str]]:
    for published in service.get("ports", []):
        host, port, _ = str(published).split(":")
        yield host, port


@every_service
def test_every_service_has_a_health_check_or_runs_once(name: str, service: Service) -> None:
    assert is_one_shot(service) != ("healthcheck" in service)
    if not is_one_shot(service):
        assert service["restart"] == "unless-stopped"
        assert "stop_grace_period" in service or "monitoring" in service["profiles"]


@every_service
def test_every_image_is_pinned_to_a_version(name: str, service: Service) -> None:
    _, _, tag = service["image"].rpartition(":")
    assert re.match(r"v?\d+\.\d+\.\d+", tag), f"{service['image']} does not name one version"


@every_own_service
def test_our_image_carries_the_version_of_the_project(name: str, service: Service) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert service["image"] in (f"solaris:{version}", f"solaris:{version}-gpu")
    assert service["image"].endswith("-gpu") == (service["build"]["target"] == "gpu")
    assert (ROOT / service["build"]["dockerfile"]).is_file()


@every_service
def test_every_published_port_is_on_loopback(name: str, service: Service) -> None:
    assert {host for host, _ in host_ports(service)} <= {"127.0.0.1"}
    assert "network_mode" not in service


def test_no_host_port_is_published_twice() -> None:
    ports = [port for service in services().values() for _, port in host_ports(service)]
    assert len(ports) == len(set(ports))


@every_service
def test_every_mounted_file_exists_and_every_volume_is_declared(name: str, service: Service) -> None:
    for volume in service.get("volumes", []):
        source, target, *options = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{source} is mounted into {name} and does not exist"
            assert options == ["ro"], "files of the repository are never written by a container"
        else:
            assert source in compose_file()["volumes"]


@every_service
def test_no_container_may_gain_privileges(name: str, service: Service) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if name != "kafka":  # writes its settings and logs inside its own image's folders
        assert service["read_only"] is True


@every_own_service
def test_every_variable_is_a_setting_with_an_allowed_value(name: str, service: Service) -> None:
    variables = environment(service)
    prefixes = {variable: next((p for p in SETTINGS if variable.startswith(p + "_")), None) for variable in variables}
    for variable, prefix in prefixes.items():
        if prefix is None:
            assert variable in SINGLE_VARIABLES, f"{name} sets {variable}, which nothing reads"
            assert f'"{variable}"' in (ROOT / SINGLE_VARIABLES[variable]).read_text()
    for prefix in {prefix for prefix in prefixes.values() if prefix is not None}:
        load(SETTINGS[prefix], prefix, variables)


@every_own_service
def test_a_served_port_is_bound_beyond_the_containers_loopback(name: str, service: Service) -> None:
    variables = environment(service)
    served = {variable.removesuffix("_PORT") for variable in variables if variable.endswith("_PORT")}
    assert served or is_one_shot(service)
    for prefix in served:
        assert variables[f"{prefix}_HOST"] == "0.0.0.0"  # the published side is what is on loopback
        assert f":{variables[f'{prefix}_PORT']}/" in service["healthcheck"]["test"][-1]


@every_service
def test_dependencies_wait_for_the_right_thing(name: str, service: Service) -> None:
    for other, wait in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if is_one_shot(services()[other]) else "service_healthy"
        assert wait["condition"] == expected


def test_the_agents_start_after_the_store_is_filled() -> None:
    agents = {name for name, service in own_services().items() if "faust" in service.get("command", [])}
    assert agents == {"user-refresh", "item-inference", "speculation", "pair-inference", "pair-inference-gpu"}
    for name in agents | {"ranker", "ranker-gpu"}:
        assert "train" in services()[name]["depends_on"]
    assert "rebuild" in services()["train"]["depends_on"]
    assert "topics" in services()["rebuild"]["depends_on"]


def test_the_profiles_are_those_that_are_checked() -> None:
    used = {profile for service in services().values() for profile in service.get("profiles", [])}
    assert used == set(PROFILES)


def test_only_the_gpu_profile_reserves_devices() -> None:
    for service in services().values():
        assert ("deploy" in service) == ("gpu" in service.get("profiles", []))
    (device,) = services()["ranker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_only_training_may_write_the_releases() -> None:
    writers = {n for n, s in own_services().items() for v in s["volumes"] if v == f"releases:{releases_in_image()}"}
    assert writers == {"train"}
    readers = {n for n, s in own_services().items() for v in s["volumes"] if v == f"releases:{releases_in_image()}:ro"}
    assert writers | readers == set(own_services())


def releases_in_image() -> Path:
    """Where training writes bundles, with the image's root for the repository's."""
    return Path("/app") / DEFAULT_OUT
