from __future__ import annotations

from stores import NAME, PDPARAMS, TAR, model_files, read_files


def test_import_takes_the_published_files_under_their_names(clsctl, folder, mirror):
    done = clsctl("models", "import", mirror / PDPARAMS[1:])
    assert done.stdout == f"{NAME} training imported\n"
    done = clsctl("models", "import", mirror / TAR[1:], "--name", NAME)
    assert done.stdout == f"{NAME} inference imported\n"
    assert read_files(folder) == model_files()
