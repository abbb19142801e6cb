//! `ptc schema` prints what the library makes.

use config::{reference, schema};
use serde_json::Value;

use crate::ptc::Ptc;

#[tokio::test]
async fn it_prints_the_schema_and_the_reference() {
    let print = async |arguments: &[&str]| {
        let output = Ptc::alone().run([&["schema"], arguments].concat()).await.ends(0);
        assert_eq!(output.stderr, "");
        output.stdout
    };
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    assert_eq!(print(&[]).await, text);
    assert_eq!(print(&["--json"]).await, text);
    assert_eq!(print(&["--reference"]).await, reference());
    let wrapped: Value = serde_json::from_str(&print(&["--json", "--reference"]).await).unwrap();
    assert_eq!(wrapped["reference"], reference());
}
