"""Ray on this machine: what is changed of it for a while, and that it is as it was afterwards."""

from ray._private import parameter, ray_constants, services
from ray.tune.execution import class_cache

from studies.sweep.local.starting import alone, prestarted


def test_tune_asks_for_no_other_workers_than_those_that_are_there_and_only_for_a_while(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a variable that Tune hands on")

    def environment():
        actor = class_cache._ActorClassCache().get(type("Trainable", (), {}))
        return actor._default_options["runtime_env"].get("env_vars", {})

    with prestarted():
        assert environment() == {}
    assert "AWS_SESSION_TOKEN" in environment()


def test_what_only_clusters_need_is_left_out_for_a_while():
    before = services.start_api_server, parameter.RayParams, ray_constants.ENABLE_RAY_CLUSTER
    with alone():
        started = parameter.RayParams()
        assert started.no_monitor
        assert not started.include_log_monitor
        assert services.start_api_server(False, raise_on_failure=False) == (None, None)
        assert not ray_constants.ENABLE_RAY_CLUSTER
    assert before == (services.start_api_server, parameter.RayParams, ray_constants.ENABLE_RAY_CLUSTER)
