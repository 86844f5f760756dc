//! A qube's file is changed in an editor.

use std::{fs, os::unix::fs::PermissionsExt as _};

use transom_tests::process::House;

struct Written {
    house: House,
}

impl Written {
    /// Runs the command with a script as the editor; `$1` is the file. What was said, if it failed.
    fn edit(&self, script: &str) -> Result<String, String> {
        let editor = self.house.path().join("editor");
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        // It may have arguments.
        let editor = format!("{} -w", editor.display());
        let mut command = self.house.command(&["qube", "edit", "work"]);
        let done = command.env_remove("VISUAL").env("EDITOR", editor).output().unwrap();
        let said = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
        if done.status.success() { Ok(said(done.stdout)) } else { Err(said(done.stderr)) }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.house.path().join("data/transom/qubes/work/qube.kdl")).unwrap()
    }
}

#[test]
fn only_what_is_a_qubes_file_takes_its_place() {
    let written = Written { house: House::new() };
    written.house.must(&["qube", "create", "work", "--label", "blue"]);
    let old = written.text();

    assert_eq!(written.edit("true").unwrap(), "");
    assert_eq!(written.text(), old);

    for (script, part) in [
        ("echo 'labell \"red\"' >> $2", "work.kdl:"),
        ("head -c 70000 /dev/zero > $2", "at most 65536 bytes"),
        ("exit 3", "ended with status 3"),
        ("kill -9 $$", "by a signal"),
    ] {
        let error = written.edit(script).unwrap_err();
        assert!(error.contains(part) && error.contains("nothing was changed"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert_eq!(written.text(), old);
    }
    let mut none = written.house.command(&["qube", "edit", "work"]);
    let none = none.env("VISUAL", "/no/editor").output().unwrap();
    assert!(String::from_utf8(none.stderr).unwrap().contains("/no/editor is not installed"));

    // Comments stay; some editors put a new file in the place of the old one.
    written.edit("sed -i 's/blue/red/; $a // mine' $2").unwrap();
    assert_eq!(written.text(), old.replace("blue", "red") + "// mine\n");
    let list = written.house.run(&["qube", "list"]);
    assert!(String::from_utf8(list.stdout).unwrap().contains("red"));

    let old = written.text();
    let file = written.house.path().join("data/transom/qubes/work/qube.kdl");
    let script = format!("sed -i s/red/green/ $2; echo '// other' >> {}", file.display());
    let error = written.edit(&script).unwrap_err();
    assert!(error.contains("by somebody else"), "{error}");
    assert_eq!(written.text(), old + "// other\n");
    let kept = error.split("what you wrote is in ").nth(1).unwrap();
    assert!(fs::read_to_string(kept).unwrap().contains("green"));
    fs::remove_dir_all(std::path::Path::new(kept).parent().unwrap()).unwrap();
}
