//! `ringmq ctl status`, `reload` and `log-level`.

use serde_json::{Value as Json, json};

use super::client::{Client, Failure};
use super::table::{list, number, printable, shown, table, time};

/// What runs, and whether it is ready: a failure if not.
pub fn status(client: &Client, as_json: bool) -> Result<String, Failure> {
    let server = client.get("/api/v1/server")?;
    let ready = client.get_whatever("/ready")?;
    if as_json {
        return Ok(json!({ "server": server, "ready": ready }).to_string() + "\n");
    }
    let reasons: Vec<String> = entries(&ready["reasons"]).iter().map(|it| shown(&it["message"])).collect();
    let cpus: Vec<String> = entries(&server["cpus"]).iter().map(|cpu| shown(cpu).replace('-', "any")).collect();
    let head = list([
        ("version", shown(&server["version"])),
        ("up", time(number(&server["uptime_s"]))),
        ("ready", if reasons.is_empty() { "yes".into() } else { format!("no: {}", reasons.join(", ")) }),
        ("process", shown(&server["process_id"])),
        ("shards", format!("{} on CPU {}", shown(&server["shards"]), cpus.join(", "))),
        ("connections", format!("{} of {}", shown(&server["connections"]), shown(&server["connections_max"]))),
    ]);
    let listeners = entries(&server["listeners"]);
    let rows = listeners.iter().map(|it| {
        let accepts = if it["is_accepting"] == true { "" } else { "accepts no more" };
        [shown(&it["url"]), shown(&it["connections"]), accepts.into()]
    });
    Ok(head + "\n" + &table(["LISTENER", "CONNECTIONS", ""], rows))
}

pub fn reload(client: &Client, as_json: bool) -> Result<String, Failure> {
    let answer = client.post("/api/v1/reload", &json!({})).map_err(|failure| match failure {
        Failure::Refused(422, message, body) if !as_json => {
            let mistakes = entries(&body["mistakes"]).iter().map(mistake).collect::<Vec<_>>();
            Failure::Refused(422, if mistakes.is_empty() { message } else { mistakes.join("\n") }, body)
        }
        other => other,
    })?;
    if as_json {
        return Ok(answer.to_string() + "\n");
    }
    let mut out = String::new();
    for it in entries(&answer["warnings"]) {
        out += &format!("warning: {}\n", shown(&it));
    }
    for it in entries(&answer["changed"]) {
        out += &format!("{} is {} now, it was {}\n", shown(&it["key"]), shown(&it["to"]), shown(&it["from"]));
    }
    for it in entries(&answer["needs_restart"]) {
        let (key, from, to) = (shown(&it["key"]), shown(&it["from"]), shown(&it["to"]));
        out += &format!("{key} needs a restart to become {to}, and stays {from}: {}\n", shown(&it["why"]));
    }
    if entries(&answer["changed"]).is_empty() && entries(&answer["needs_restart"]).is_empty() {
        out += "no key has changed; certificates, passwords and access rules are read again\n";
    }
    Ok(out)
}

/// Shows the levels, or sets them first.
pub fn log_level(client: &Client, level: Option<&str>, modules: &[String], as_json: bool) -> Result<String, Failure> {
    let mut levels = client.get("/api/v1/log-level")?;
    if level.is_some() || !modules.is_empty() {
        if let Some(level) = level {
            levels = json!({ "level": level, "modules": {} });
        }
        for module in modules {
            let (name, level) = module
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("{module:?} is not MODULE=LEVEL, such as ringmq::net=debug")))?;
            levels["modules"][name] = level.into();
        }
        levels = client.put("/api/v1/log-level", &levels)?;
    }
    if as_json {
        return Ok(levels.to_string() + "\n");
    }
    let of_modules = levels["modules"].as_object().into_iter().flatten();
    let of_modules = of_modules.map(|(module, level)| format!("{}  {}\n", printable(module), shown(level)));
    Ok(shown(&levels["level"]) + "\n" + &of_modules.collect::<String>())
}

fn mistake(it: &Json) -> String {
    let place = [&it["file"], &it["line"]].into_iter().filter(|part| !part.is_null()).map(shown).collect::<Vec<_>>();
    let parts = [place.join(":"), it["key"].as_str().map(printable).unwrap_or_default(), shown(&it["problem"])];
    let told = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    match it["remedy"].as_str().filter(|remedy| !remedy.is_empty()) {
        Some(remedy) => format!("{told}\n  help: {}", printable(remedy)),
        None => told,
    }
}

fn entries(value: &Json) -> Vec<Json> {
    value.as_array().cloned().unwrap_or_default()
}
