//! The OpenAPI description against the server: every path is there, and no answer has more or less than it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, Login};
use crate::process::Process;
use crate::rig::{Administration, eventually};

/// Requests that make every kind of answer, each with the path of the description that it belongs to.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "/health", "/health"),
    ("GET", "/ready", "/ready"),
    ("GET", "/api/v1/server", "/api/v1/server"),
    ("GET", "/api/v1/metrics", "/api/v1/metrics"),
    ("GET", "/api/v1/log-level", "/api/v1/log-level"),
    ("GET", "/api/v1/clients", "/api/v1/clients"),
    ("GET", "/api/v1/clients/here", "/api/v1/clients/{id}"),
    ("GET", "/api/v1/clients/away", "/api/v1/clients/{id}"),
    ("GET", "/api/v1/clients/nobody", "/api/v1/clients/{id}"),
    ("GET", "/api/v1/clients/away/history", "/api/v1/clients/{id}/history"),
    ("GET", "/api/v1/clients/away/history?topic=v", "/api/v1/clients/{id}/history"),
    ("GET", "/api/v1/clients/away/history?topic=%23", "/api/v1/clients/{id}/history"),
    ("GET", "/api/v1/clients/nobody/history", "/api/v1/clients/{id}/history"),
    ("GET", "/api/v1/clients?limit=0", "/api/v1/clients"),
    ("GET", "/api/v1/clients?limit=1", "/api/v1/clients"),
    ("GET", "/api/v1/slow", "/api/v1/slow"),
    ("GET", "/api/v1/bans", "/api/v1/bans"),
    ("GET", "/api/v1/subscriptions", "/api/v1/subscriptions"),
    ("GET", "/api/v1/topics", "/api/v1/topics"),
    ("GET", "/api/v1/retained", "/api/v1/retained"),
    ("GET", "/api/v1/retained/t", "/api/v1/retained/{topic}"),
    ("POST", "/api/v1/reload", "/api/v1/reload"),
    ("DELETE", "/api/v1/retained/t", "/api/v1/retained/{topic}"),
    ("DELETE", "/api/v1/retained/t", "/api/v1/retained/{topic}"),
    ("DELETE", "/api/v1/clients/here", "/api/v1/clients/{id}"),
    ("DELETE", "/api/v1/bans/client_id/c", "/api/v1/bans/{kind}/{value}"),
];

#[test]
fn every_answer_is_as_described() {
    let process = Process::start("[limits]\nqueued_messages_max = 1\n[runtime]\nshards = 2\n");
    let description = process.get("/api/v1/openapi.json");
    let mut here = Client::connect(process.address, "here");
    here.subscribe_with_id("t", 1, 5);
    let mut away = Client::log_in(process.address, Login { user_name: Some("user"), ..Login::kept("away") });
    away.subscribe("$share/g/u", 1);
    away.subscribe("v", 1);
    drop(away);
    eventually("it is away", || process.get("/api/v1/clients/away")["is_connected"] == false);
    for _ in 0..3 {
        here.publish("v", b"dropped, but one", false);
    }
    process.write("[limits]\nqueued_messages_max = 2\n[runtime]\nshards = 3\n");

    let with_body = [
        (
            "/api/v1/publish",
            json!({ "topic": "t", "payload": "x", "retain": true, "properties": { "user_properties": [["a", "b"]] } }),
        ),
        ("/api/v1/bans", json!({ "kind": "client_id", "value": "c", "seconds": 9 })),
        ("/api/v1/bans", json!({ "kind": "what", "value": "c" })),
    ];
    let mut asked = BTreeSet::new();
    for (path, body) in with_body {
        let answer = process.request("POST", path, Some(&body));
        assert_described(&description, "POST", path, &answer);
        asked.insert(("post", path));
    }
    for (method, target, path) in REQUESTS {
        let answer = process.request(method, target, None);
        assert_described(&description, method, path, &answer);
        asked.insert((
            if *method == "GET" {
                "get"
            } else if *method == "POST" {
                "post"
            } else {
                "delete"
            },
            *path,
        ));
    }
    let levels = json!({ "level": "info", "modules": {} });
    assert_described(
        &description,
        "PUT",
        "/api/v1/log-level",
        &process.request("PUT", "/api/v1/log-level", Some(&levels)),
    );
    asked.insert(("put", "/api/v1/log-level"));
    process.write("[limits]\nqueued_messages_max = -1\n");
    assert_described(&description, "POST", "/api/v1/reload", &process.request("POST", "/api/v1/reload", None));

    let described = description["paths"].as_object().unwrap();
    for (path, methods) in described {
        for method in methods.as_object().unwrap().keys() {
            // These are not JSON, or the description itself, or lines that are compared where they are read.
            let is_another_thing = ["/metrics", "/api/v1/openapi.json", "/api/v1/trace"].contains(&path.as_str());
            assert!(
                is_another_thing || asked.contains(&(method.as_str(), path.as_str())),
                "{method} {path} is not tried"
            );
        }
    }
}

#[test]
fn every_route_is_described() {
    let description: Value = serde_json::from_str(include_str!("../../src/admin/openapi.json")).unwrap();
    let router = include_str!("../../src/admin/mod.rs");
    let routes = router.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let routes: BTreeSet<&str> = routes.collect();
    let described: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(routes.len() > 10);
    assert_eq!(routes, described);
}

/// A line of a trace against its description.
#[track_caller]
pub fn assert_trace_line(line: &Value) {
    let description: Value = serde_json::from_str(include_str!("../../src/admin/openapi.json")).unwrap();
    assert_fits(&description, &json!({ "$ref": "#/components/schemas/TraceLine" }), line, "a line of a trace");
}

#[track_caller]
fn assert_described(description: &Value, method: &str, path: &str, (status, body): &(u16, Value)) {
    let responses = &description["paths"][path][method.to_ascii_lowercase()]["responses"];
    let response = responses.get(status.to_string()).or_else(|| responses.get("default"));
    let response =
        resolved(description, response.unwrap_or_else(|| panic!("{method} {path}: {status} is not described")));
    match response["content"]["application/json"].get("schema") {
        Some(schema) => assert_fits(description, schema, body, &format!("{method} {path} {status}")),
        None => assert_eq!(body, &Value::Null, "{method} {path}"),
    }
}

/// The part of JSON Schema that the description uses.
#[track_caller]
fn assert_fits(description: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(description, schema);
    if let Some(choices) = schema["anyOf"].as_array() {
        let choice = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
        return assert_fits(description, choice.unwrap_or_else(|| panic!("{place}: {value}")), value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()));
    assert!(fits, "{place}: {value} is no {}", schema["type"]);
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{place}: {value} is none of {choices:?}");
    }
    for (at, element) in value.as_array().into_iter().flatten().enumerate() {
        assert_fits(description, &schema["items"], element, &format!("{place}[{at}]"));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) | (None, schema @ Value::Object(_)) => assert_fits(description, schema, field, &place),
            (None, Value::Bool(false)) => panic!("{place} is not described"),
            _ => {}
        }
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{place}: {required} is missing");
    }
}

fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            description.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"))
        }
        None => value,
    }
}
