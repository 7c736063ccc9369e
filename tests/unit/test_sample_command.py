"""`cloister sample` writes where it is told, and says what it wrote."""

import typer
from typer.testing import CliRunner

from infra.cli.sample import sample

app = typer.Typer()
app.command()(sample)


def test_files_land_in_the_chosen_folder(tmp_path):
    arguments = ["--patients", "200", "--clinics", "2", "--as-of", "2025-11-22", "--out", str(tmp_path / "s")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "adherence.csv", "answers.csv", "appointments.csv", "clinics.csv",
        "consents.csv", "forms.csv", "patients.csv", "plans.csv",
    ]  # fmt: skip
    assert "200 patients" in result.output
    assert len((tmp_path / "s" / "patients.csv").read_text().splitlines()) == 201


def test_without_a_folder_the_sample_goes_to_the_instance(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["--patients", "20", "--clinics", "2"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sample" / "patients.csv").exists()
