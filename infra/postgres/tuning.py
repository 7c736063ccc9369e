"""Settings of the embedded server, sized to the machine it runs on."""

import os

import psutil

MEGABYTE = 1024 * 1024


def server_settings(socket_folder: str) -> dict[str, str]:
    """Lines of postgresql.conf.

    Memory: an eighth of the machine for shared buffers (32 MB to 4 GB): the embedded server shares
    its machine with the application. Logs are terse: DETAIL lines would hold values of patients.
    """
    memory = psutil.virtual_memory().total // MEGABYTE
    shared = min(max(memory // 8, 32), 4096)
    return {
        "listen_addresses": "",
        "unix_socket_directories": socket_folder,
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",  # nosec B105 # the name of a method
        "max_connections": "100",
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory // 2, 64)}MB",
        "work_mem": f"{min(max(memory // 256, 4), 64)}MB",
        "maintenance_work_mem": f"{min(max(memory // 32, 16), 512)}MB",
        "max_locks_per_transaction": "1024",
        "max_parallel_workers_per_gather": str(max((os.cpu_count() or 1) // 2, 1)),
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "idle_in_transaction_session_timeout": "10min",
        "log_error_verbosity": "terse",
        # Even a terse message may quote a value; services log their own failures, without values.
        "log_min_messages": "fatal",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_statement": "none",
    }


def as_conf(values: dict[str, str]) -> str:
    """Render settings in postgresql.conf's syntax."""
    return "".join(f"{name} = '{value}'\n" for name, value in values.items())
