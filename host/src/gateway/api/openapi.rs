//! The API as an `OpenAPI` 3.1 document, from the table of routes and their types.
//!
//! What a request may say stands in the document as the broker checks it, but for one thing: a text is limited in
//! bytes of UTF-8, which JSON Schema cannot say. There the document allows less than the broker takes (`limit_bytes`).

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::{JSON, TOML};
use super::endpoint::BodyMedia;
use super::precondition::Precondition;
use super::problem::{self, ProblemKind};
use super::route::Route;
use super::values::MAX_BYTES;

/// The place of schemas in an `OpenAPI` document.
const TYPES: &str = "/components/schemas";

/// Texts whose characters have one byte each.
const ASCII: &str = r"^[\u0000-\u007f]*$";

pub(super) fn document(routes: &[Route], prefix: &str) -> Value {
    let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = TYPES.into());
    let mut asked = settings().for_deserialize().into_generator();
    let mut answered = settings().for_serialize().into_generator();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut asked, &mut answered);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb.word()] = operation;
    }
    let mut types = asked.take_definitions(true);
    types.extend(answered.take_definitions(true));
    types.insert("ProblemDetails".to_owned(), problem_schema());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sluicegate admin API",
            "description": "Publishing, reading and control for operators' servers, on every node alike. docs/ADMIN.md says more.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": prefix }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": types,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "A key of the config's [[admin.keys]]." },
            },
        },
    });
    limit_bytes(&mut document);
    document
}

/// Bytes of a character in UTF-8 at most.
const CHARACTER_BYTES: u64 = 4;

/// Says [`MAX_BYTES`] in words of JSON Schema: so many characters of one byte, or so few that each may have
/// [`CHARACTER_BYTES`].
fn limit_bytes(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(bytes) = fields.get(MAX_BYTES).and_then(Value::as_u64) {
                let few = json!({ "maxLength": bytes / CHARACTER_BYTES });
                fields.insert("anyOf".to_owned(), json!([{ "pattern": ASCII }, few]));
            }
            fields.values_mut().for_each(limit_bytes);
        }
        Value::Array(items) => items.iter_mut().for_each(limit_bytes),
        _ => {}
    }
}

fn operation(route: &Route, asked: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
    let mut parameters = vec![json!({
        "name": "tenant",
        "in": "path",
        "required": true,
        "description": "A tenant's name.",
        "schema": (route.tenant_schema)(),
    })];
    parameters.extend(fields(&(route.path_schema)(asked), "path"));
    parameters.extend(fields(&(route.query_schema)(asked), "query"));
    if route.conditional {
        parameters.extend(Precondition::headers());
    }
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": format!("The key needs the scope `{}`.", route.scope.name()),
        "x-scope": route.scope.name(),
        "parameters": parameters,
        "security": [{ "key": [route.scope.name()] }],
        "responses": responses(route, &(route.answer_schema)(answered)),
    });
    if route.verb.has_body() {
        let schema = (route.body_schema)(asked);
        let must_come = ["required", "oneOf"]
            .into_iter()
            .any(|keyword| schema.get(keyword).is_some());
        let media = match route.body {
            BodyMedia::Json => JSON,
            BodyMedia::Toml { .. } => TOML,
        };
        operation["requestBody"] = json!({
            "required": must_come || media != JSON,
            "content": { media: { "schema": schema } },
        });
    }
    operation
}

/// The answer, and the problems by their status.
fn responses(route: &Route, answer: &Schema) -> Value {
    let mut by_status: BTreeMap<u16, Vec<&ProblemKind>> = BTreeMap::new();
    for kind in &route.problems {
        by_status.entry(kind.status).or_default().push(kind);
    }
    let mut responses = json!({
        "200": {
            "description": "It is done, on every node.",
            "content": { route.answer_media: { "schema": answer } },
        },
    });
    if route.answer_has_version {
        responses["200"]["headers"] = json!({
            "ETag": {
                "required": true,
                "description": "The version, for `If-Match`.",
                "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
            },
        });
    }
    for (status, kinds) in by_status {
        let titles: Vec<_> = kinds.iter().map(|kind| kind.title).collect();
        let codes: Vec<_> = kinds.iter().map(|kind| kind.code).collect();
        let schema = json!({
            "$ref": format!("#{TYPES}/ProblemDetails"),
            "properties": { "status": { "const": status }, "code": { "enum": codes } },
        });
        responses[status.to_string()] = json!({
            "description": format!("{}.", titles.join("; ")),
            "content": { "application/problem+json": { "schema": schema } },
        });
    }
    responses
}

/// The fields of an object as parameters.
fn fields(schema: &Schema, place: &str) -> Vec<Value> {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let required = list("required");
    let fields = schema.get("properties").and_then(Value::as_object);
    let parameter = |(name, schema): (&String, &Value)| {
        let mut parameter = json!({
            "name": name,
            "in": place,
            "required": place == "path" || required.contains(&Value::from(name.as_str())),
            "schema": schema,
        });
        if let Some(description) = schema.get("description") {
            parameter["description"] = description.clone();
        }
        parameter
    };
    fields.into_iter().flatten().map(parameter).collect()
}

fn problem_schema() -> Value {
    let codes: Vec<_> = problem::ALL.iter().map(|kind| kind.code).collect();
    let types: Vec<_> = problem::ALL.iter().map(|kind| kind.type_reference()).collect();
    json!({
        "type": "object",
        "description": "Problem details as in RFC 9457. `nodes_unreachable` also has `nodes` (who did not answer, and why) and `done` (who did); `bad_tenant` has `problems`, and `other_version` the `version` that is there.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "enum": codes },
            "version": { "type": "string" },
            "problems": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["key", "reason"],
                    "properties": {
                        "key": { "type": "string" },
                        "line": { "type": "integer" },
                        "reason": { "type": "string" },
                    },
                },
            },
            "nodes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["node", "error"],
                    "properties": { "node": { "type": "string" }, "error": { "type": "string" } },
                },
            },
            "done": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["node"],
                    "properties": { "node": { "type": "string" }, "affected": { "type": "integer" } },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::gateway::api::PREFIX;
    use crate::gateway::api::endpoints::routes;
    use protocol::names::Channel;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_once_with_its_parameters() {
        let routes = routes();
        let document = document(&routes, PREFIX);
        let mut names = HashSet::new();
        for route in &routes {
            let operation = &document["paths"][route.path][route.verb.word()];
            assert_eq!(operation["operationId"], route.name);
            assert!(names.insert(route.name), "{} is there twice", route.name);
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path: Vec<_> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let written = route
                .path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(in_path, written.collect::<Vec<_>>(), "{}", route.name);
            assert_eq!(operation.get("requestBody").is_some(), route.verb.has_body());
        }
        let operations = document["paths"].as_object().unwrap().values();
        let described: usize = operations.map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, routes.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&routes(), PREFIX);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > routes().len());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_type_is_a_schema() {
        let document = document(&routes(), PREFIX);
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
        }
    }

    #[test]
    fn what_the_document_allows_the_code_takes() {
        let document = document(&routes(), PREFIX);
        let channel = document.pointer("/components/schemas/ChannelName").unwrap();
        let user = document.pointer("/components/schemas/UserId").unwrap();
        let validator = |schema| jsonschema::draft202012::new(schema).unwrap();
        let (channel, user) = (validator(channel), validator(user));
        let texts = [
            "", "a", "a b", "a\n", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{1c}", "räume", "👋",
        ];
        let of_lengths = ["x", "ü", "€", "👋"].into_iter();
        let of_lengths = of_lengths.flat_map(|text| [63, 64, 85, 127, 128, 255, 256].map(|n| text.repeat(n)));
        for text in texts.map(str::to_owned).into_iter().chain(of_lengths) {
            let allowed = |validator: &jsonschema::Validator| validator.is_valid(&Value::from(text.as_str()));
            let taken = Channel::parse(&text).is_ok();
            // More than 63 characters are allowed in ASCII alone: JSON Schema counts no bytes.
            let expressible = text.is_ascii() || text.chars().count() <= 63;
            assert_eq!(allowed(&channel), taken && expressible, "{text:?} as a channel");
            let taken = (1..=255).contains(&text.len());
            assert_eq!(allowed(&user), taken && expressible, "{text:?} as a user");
        }
    }

    #[test]
    fn addresses_that_the_document_allows_are_taken_and_others_are_not() {
        let document = document(&routes(), PREFIX);
        let address = document.pointer("/components/schemas/BannedAddress").unwrap();
        let allowed = jsonschema::draft202012::new(address).unwrap();
        let groups = |n: usize| vec!["a1"; n].join(":");
        let mut texts: Vec<String> = [
            "192.0.2.1",
            "192.0.2.1/32",
            "192.0.2.1/24",
            "255.255.255.255",
            "256.0.0.1",
            "01.2.3.4",
            "1.2.3",
            "1.2.3.4.5",
            "::",
            "::1",
            "::1/64",
            "::1/128",
            "1::",
            "FFFF::",
            "12345::",
            "g::",
            "::ffff:192.0.2.1",
            "::1.2.3",
            ":",
            ":::",
            "1::2::3",
            "",
            " ::1",
            "::1\n",
            "fe80::1%eth0",
            "[::1]",
        ]
        .map(str::to_owned)
        .into();
        texts.extend((1..=9).map(groups));
        for before in 1..=8 {
            texts.push(format!("{}::", groups(before)));
            texts.push(format!("::{}", groups(before)));
            texts.extend((1..=8).map(|behind| format!("{}::{}", groups(before), groups(behind))));
        }
        for text in texts {
            let taken = text.parse::<address_block::AddressBlock>().is_ok();
            assert_eq!(allowed.is_valid(&Value::from(text.as_str())), taken, "{text:?}");
        }
    }

    #[test]
    fn each_call_says_its_scope_and_what_it_may_be_refused_with() {
        let document = document(&routes(), PREFIX);
        let ban = &document["paths"]["/tenants/{tenant}/users/{user}/ban"]["put"];
        assert_eq!(ban["security"], json!([{ "key": ["ban"] }]));
        let refused = &ban["responses"]["403"]["content"]["application/problem+json"]["schema"];
        let codes = json!(["no_keys", "missing_scope", "other_tenant", "other_address"]);
        assert_eq!(refused["properties"]["code"]["enum"], codes);
        let statuses: Vec<_> = ban["responses"].as_object().unwrap().keys().collect();
        let expected = [
            "200", "400", "401", "403", "404", "408", "409", "413", "422", "500", "503", "504",
        ];
        assert_eq!(statuses, expected);
    }
}
