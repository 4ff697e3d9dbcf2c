"""The one-command PostgreSQL and Kafka: they come up, survive a kill -9, and say what is wrong."""

import hashlib
import os
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import create_engine, text

from infra.local import doctor, jars
from infra.local.kafka import JarBroken, JarsMissing, LocalKafka, StartFailed
from infra.local.postgres import LocalPostgres

SMALL = {"shared_buffers": "16MB"}
A_SLEEPER = ["sleep", "600"]


def ask(server: LocalPostgres, *statements: str) -> list[object]:
    """The first column of the last statement's answer."""
    engine = create_engine(server.url("shop"))
    try:
        with engine.begin() as connection:
            for statement in statements[:-1]:
                connection.execute(text(statement))
            return list(connection.execute(text(statements[-1])).scalars())
    finally:
        engine.dispose()


def kill(server: LocalPostgres | LocalKafka, everything: bool = False) -> None:
    """kill -9, of the server alone or of all its processes, and wait until they are gone."""
    process = server._program.find()
    assert process is not None
    victims = [process, *(process.children(recursive=True) if everything else [])]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, timeout=10)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """Below pytest's directory, which only its owner may enter, like many a home directory."""
    server = LocalPostgres(tmp_path_factory.mktemp("postgres"), SMALL)
    server.start()
    server.create_database("shop")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    server = LocalKafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.remove()


def test_postgres_has_the_settings_a_journal_needs(tmp_path):
    """Durable above all: fsync stays on."""
    with LocalPostgres(tmp_path / "pg") as server:
        server.create_database("shop")
        names = [
            "fsync",
            "jit",
            "max_connections",
            "max_wal_size",
            "shared_buffers",
            "TimeZone",
            "listen_addresses",
        ]
        found = {name: ask(server, f"SELECT current_setting('{name}')")[0] for name in names}
    server.remove()
    assert found == {
        "fsync": "on",
        "jit": "off",
        "max_connections": "200",
        "max_wal_size": "6GB",
        "shared_buffers": "512MB",
        "TimeZone": "UTC",
        "listen_addresses": "",
    }
    assert not server.home.exists()


@pytest.mark.parametrize("everything", [False, True], ids=["the server alone", "all its processes"])
def test_postgres_recovers_what_was_committed_after_kill_9(postgres, everything):
    ask(postgres, "CREATE TABLE IF NOT EXISTS sale (n int)", "DELETE FROM sale RETURNING n")
    ask(postgres, "INSERT INTO sale VALUES (1), (2) RETURNING n")
    kill(postgres, everything)
    assert not postgres.alive()
    postgres.restart()
    assert postgres.alive()
    assert ask(postgres, "SELECT n FROM sale ORDER BY n") == [1, 2]


def test_a_lock_file_whose_pid_is_now_another_program_neither_blocks_postgres_nor_harms_that_program(
    postgres,
):
    """Pids repeat, in containers at once; the server must start, and stop() must not signal a stranger."""
    postgres.start()
    lock_file = postgres._program.pid_file
    kept = lock_file.read_text()
    kill(postgres, everything=True)
    who = postgres._account
    stranger = subprocess.Popen(A_SLEEPER, user=who.pw_uid if who else None, cwd="/")
    try:
        lock_file.write_text(kept.replace(kept.split()[0], str(stranger.pid), 1))
        postgres.stop()
        postgres.start()
        assert stranger.poll() is None
        assert postgres.alive()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_second_handle_finds_the_running_server_and_outlives_the_first(postgres):
    """Another command of ours must not start a second server on the same data."""
    postgres.start()
    pid = postgres._program.find().pid
    other = LocalPostgres(postgres.directory, SMALL)
    assert other.alive()
    assert other.url("shop") == postgres.url("shop")
    other.start()
    assert other._program.find().pid == pid


def test_two_postgres_run_at_once_and_one_has_a_path_too_long_for_a_socket(postgres, tmp_path):
    """Tests run beside a demo; and a checkout may lie deep, with spaces and commas in its path."""
    postgres.start()
    deep = LocalPostgres(tmp_path / ("a long, 'quoted' \"name\" %41 " * 4) / "pg", SMALL)
    with deep:
        deep.create_database("shop")
        deep.create_database("shop")
        ask(deep, "CREATE TABLE here (n int)", "INSERT INTO here VALUES (7) RETURNING n")
        assert ask(postgres, "SELECT to_regclass('here')") == [None]
        assert ask(deep, "SELECT n FROM here") == [7]
        assert postgres.alive()
    assert not deep.alive()
    assert postgres.alive()
    deep.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
def test_data_moved_out_of_a_closed_directory_is_not_taken_up_again_after_that_was_deleted(tmp_path):
    """`rm -rf var` means a fresh start, wherever the data had to be; and a closed directory stays closed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = LocalPostgres(closed / "pg", SMALL)
    aside = server.home.with_name(f"{server.home.name}.removed")
    try:
        server.start()
        assert (closed / "pg" / "moved-to").read_text().strip() == str(server.home)
        assert closed.stat().st_mode & 0o777 == 0o700
        server.create_database("shop")
        shutil.rmtree(closed)
        LocalPostgres(closed / "pg", SMALL).start()
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(server.url("shop").replace("+psycopg", ""))
        assert aside.exists()
    finally:
        server.remove()
        shutil.rmtree(aside, ignore_errors=True)


def test_a_server_that_cannot_start_says_why(tmp_path):
    server = LocalPostgres(tmp_path / "pg", {"shared_buffers": "plenty"})
    try:
        with pytest.raises(StartFailed, match='invalid value for parameter "shared_buffers": "plenty"'):
            server.start()
    finally:
        server.remove()


def test_kafka_keeps_port_and_messages_over_stop_and_kill_9(kafka):
    """Clients hold the address: a restart must not move it, nor lose what was acknowledged."""
    address = kafka.bootstrap
    topic = NewTopic("touches", num_partitions=2, replication_factor=1)
    admin = AdminClient({"bootstrap.servers": address})
    for created in admin.create_topics([topic]).values():
        created.result(10)
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    producer.produce("touches", key="c1", value="hello")
    assert producer.flush(10) == 0

    kafka.stop()
    assert not kafka.alive()
    kafka.start()
    kill(kafka)
    kafka.restart()

    assert kafka.bootstrap == address
    assert kafka.alive()
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["touches"])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert (message.key(), message.value()) == (b"c1", b"hello")


def test_kafka_makes_no_topic_unasked(kafka):
    """A misspelt topic is an error, not a new topic."""
    kafka.start()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.timeout.ms": 1000, "log_level": 0})
    failed = []
    producer.produce("tuoches", value="hello", on_delivery=lambda error, _: failed.append(error))
    producer.flush(10)
    assert failed[0] is not None
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    assert "tuoches" not in admin.list_topics(timeout=10).topics


def test_a_recycled_pid_of_kafka_is_not_signalled(kafka):
    kafka.start()
    kill(kafka)
    stranger = subprocess.Popen(A_SLEEPER)
    try:
        kafka._program.pid_file.write_text(str(stranger.pid))
        assert not kafka.alive()
        kafka.stop()
        assert stranger.poll() is None
    finally:
        stranger.send_signal(signal.SIGKILL)
        stranger.wait()


def test_a_wrong_checksum_stops_kafka_before_it_starts_and_names_the_jar(tmp_path):
    lock = tmp_path / "jgo.lock.toml"
    honest = jars.locked()[0]
    lock.write_text(jars.LOCK.read_text().replace(honest.sha256, "0" * 64))
    server = LocalKafka(tmp_path / "kafka", lock=lock)
    with pytest.raises(JarBroken, match=r"org\.apache\.kafka:kafka_2\.13:4\.1\.0 is not the jar"):
        server.start()
    assert not server.alive()
    assert not server._program.log.exists()


def test_a_tampered_jar_is_named_with_its_path(tmp_path):
    """On a copy of one jar, in a cache of its own."""
    jar = min(jars.locked(), key=lambda jar: jar.path(jars.cache()).stat().st_size)
    copy = jar.path(tmp_path)
    copy.parent.mkdir(parents=True)
    shutil.copy(jar.path(jars.cache()), copy)
    jars.verify([jar], tmp_path)
    copy.write_bytes(copy.read_bytes() + b"\0")
    with pytest.raises(JarBroken) as caught:
        jars.verify([jar], tmp_path)
    assert str(jar) in str(caught.value)
    assert str(copy) in str(caught.value)


def test_jars_that_can_not_be_had_are_one_sentence(tmp_path, monkeypatch):
    """No network and nothing cached; the cache is left as it was."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "cache"))
    with pytest.raises(JarsMissing, match="is not cached and could not be fetched"):
        jars.ready()
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_lock_file_fits_the_wanted_coordinates_and_names_no_registry():
    """`jgo lock` notes a hash of jgo.toml, so a change of one without the other shows."""
    wanted = jars.LOCK.with_name("jgo.toml").read_bytes()
    lock = jars.LOCK.read_text()
    assert tomllib.loads(lock)["metadata"]["spec_hash"] == hashlib.sha256(wanted).hexdigest()[:16]
    assert "://" not in lock


def test_the_doctor_finds_this_machine_fit_and_each_lack_has_a_cure(tmp_path, monkeypatch):
    found = doctor.checks(tmp_path / "var")
    assert [check.name for check in found if not check.ok] == []
    monkeypatch.setattr(doctor, "DISK_BYTES", 2**60)
    monkeypatch.setattr(doctor, "MEMORY_BYTES", 2**60)
    lacking = [check for check in doctor.checks(tmp_path / "var") if not check.ok]
    assert [check.name for check in lacking] == ["disk", "memory"]
    assert all(check.found and check.fix for check in lacking)
    assert not (tmp_path / "var").exists()
