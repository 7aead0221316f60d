"""A shipped Envoy configuration as an editable value.

The shipped YAML is loadable as it stands; a test changes what must differ on a test machine (ports,
upstreams, the module's path and settings) on the parsed document, so what runs is what users copy.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
STRING_VALUE = "type.googleapis.com/google.protobuf.StringValue"
STDOUT_LOG = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
OPTION = re.compile(r"^( *)#: ", re.MULTILINE)

SECTIONS = {f"mcp_{section}.wasm": section for section in ("auth", "session", "quota", "sse")}
"""The modules of one filter, and the sections of their settings."""

Tree = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """An upstream on loopback. Envoy uses priority 1 only while priority 0 is unhealthy."""

    port: int
    priority: int = 0


class EnvoyConfig:
    """An Envoy bootstrap document. Each edit names the part it could not find."""

    def __init__(self, document: Tree) -> None:
        self.document = copy.deepcopy(document)

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(yaml.safe_load(path.read_text()))

    @classmethod
    def load_with_options(cls, path: Path) -> Self:
        """With what the file has as options, in lines that begin with `#:`."""
        return cls(yaml.safe_load(OPTION.sub(r"\1", path.read_text())))

    def dump(self) -> str:
        return yaml.safe_dump(self.document, sort_keys=False)

    def use_free_ports(self) -> None:
        """Binds every listener, and the admin interface, to a port of 127.0.0.1 that the kernel picks."""
        any_port = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        self.document["admin"] = {"address": any_port}
        for listener in self._resources("listeners"):
            listener["address"] = copy.deepcopy(any_port)

    def listen_on(self, port: int) -> None:
        """Binds the first listener to that port of 127.0.0.1, for what must know its own URL."""
        self._resources("listeners")[0]["address"]["socket_address"]["port_value"] = port

    def set_upstreams(self, cluster: str, endpoints: Sequence[Endpoint]) -> None:
        """Replaces the endpoints of the named cluster."""
        assignment = self.cluster(cluster)["load_assignment"]
        assignment["endpoints"] = [
            {
                "priority": priority,
                "lb_endpoints": [
                    {
                        "endpoint": {
                            "address": {
                                "socket_address": {"address": "127.0.0.1", "port_value": endpoint.port}
                            }
                        }
                    }
                    for endpoint in endpoints
                    if endpoint.priority == priority
                ],
            }
            for priority in sorted({endpoint.priority for endpoint in endpoints})
        ]

    def cluster(self, name: str) -> Tree:
        return _named(self._resources("clusters"), name, "cluster")

    def copy_cluster(self, name: str, copy_name: str, endpoints: Sequence[Endpoint]) -> None:
        """Adds a cluster like the named one with endpoints of its own."""
        twin = copy.deepcopy(self.cluster(name)) | {"name": copy_name}
        twin["load_assignment"]["cluster_name"] = copy_name
        self._resources("clusters").append(twin)
        self.set_upstreams(copy_name, endpoints)

    def connection_manager(self) -> Tree:
        """The HTTP connection manager of the first listener."""
        return self._resources("listeners")[0]["filter_chains"][0]["filters"][0]["typed_config"]

    def http_filters(self) -> list[Tree]:
        return self.connection_manager()["http_filters"]

    def drop_wasm_filters(self) -> None:
        """What is left routes the same traffic without any filter of ours."""
        filters = self.http_filters()
        filters[:] = [
            entry for entry in filters if "vm_config" not in entry["typed_config"].get("config", {})
        ]

    def set_module(self, plugin: str, path: Path) -> None:
        """Loads the named plugin from another file."""
        self._plugin(plugin)["vm_config"]["code"] = {"local": {"filename": str(path)}}

    def load_gateway_instead(self) -> None:
        """Loads the gateway module wherever a module of one filter is loaded, with the same settings: the
        section of that filter is all that it has."""
        for plugin in self._plugins():
            local = plugin["vm_config"]["code"]["local"]
            module = Path(local["filename"])
            section = SECTIONS.get(module.name)
            if section is not None:
                local["filename"] = str(module.with_name("mcp_gateway.wasm"))
                self.change_settings(plugin["name"], {section: {}})

    def resolve_modules(self, directory: Path) -> None:
        """Makes module paths absolute, so that Envoy may run in any working directory."""
        for plugin in self._plugins():
            local = plugin["vm_config"]["code"]["local"]
            local["filename"] = str(directory / local["filename"])

    def settings(self, plugin: str) -> Tree:
        """The named plugin's own JSON configuration."""
        return json.loads(self._plugin(plugin)["configuration"]["value"])

    def change_settings(self, plugin: str, changes: Mapping[str, Any]) -> None:
        """Merges changes into the plugin's configuration; `None` removes a key."""
        text = json.dumps(_merged(self.settings(plugin), changes))
        self._plugin(plugin)["configuration"] = {"@type": STRING_VALUE, "value": text}

    def replace_settings(self, plugin: str, settings: Mapping[str, Any]) -> None:
        self._plugin(plugin)["configuration"] = {"@type": STRING_VALUE, "value": json.dumps(settings)}

    def save_plugin(self, plugin: str, file: Path) -> None:
        """Writes the filter of the named plugin to a file that `discover_plugin` may name."""
        [entry] = [entry for entry in self.http_filters() if entry["name"] == plugin]
        resource = {"@type": EXTENSION, "name": plugin, "typed_config": entry["typed_config"]}
        file.write_text(json.dumps({"resources": [resource]}))

    def discover_plugin(self, plugin: str, file: Path) -> None:
        """Has the filter of the named plugin, with all its settings, read from that file whenever another one
        is moved there."""
        [entry] = [entry for entry in self.http_filters() if entry["name"] == plugin]
        type_url = entry.pop("typed_config")["@type"]
        source = {"path_config_source": {"path": str(file)}}
        entry["config_discovery"] = {"config_source": source, "type_urls": [type_url]}
        self.document["node"] = {"id": "test", "cluster": "test"}

    def log_access_to(self, path: Path) -> None:
        """Sends access logs that go to standard output to a file instead."""
        for entry in self.connection_manager().get("access_log", []):
            if entry["typed_config"]["@type"] == STDOUT_LOG:
                entry["name"] = "envoy.access_loggers.file"
                entry["typed_config"] |= {"@type": FILE_LOG, "path": str(path)}

    def _resources(self, kind: str) -> list[Tree]:
        return self.document["static_resources"][kind]

    def _plugins(self) -> Iterator[Tree]:
        for entry in self.http_filters():
            plugin = entry["typed_config"].get("config", {})
            if "vm_config" in plugin:
                yield plugin

    def _plugin(self, name: str) -> Tree:
        return _named(list(self._plugins()), name, "wasm plugin")


def _named(entries: list[Tree], name: str, kind: str) -> Tree:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(f"no {kind} {name!r}; there are {[entry['name'] for entry in entries]}")


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Tree:
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _merged(result[key], value)
        else:
            result[key] = value
    return result
