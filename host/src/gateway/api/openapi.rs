//! The API as an `OpenAPI` 3.1 document, from the table of routes and their types.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::PREFIX;
use super::endpoint::Route;
use super::problem;

/// Where types are in an `OpenAPI` document.
const TYPES: &str = "/components/schemas";

/// The document.
pub(super) fn document(routes: &[Route]) -> Value {
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
    types.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sluicegate admin API",
            "description": "Publishing, reading and control for operators' servers, on every node alike. docs/ADMIN.md says more.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": PREFIX }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "schemas": types,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "A key of the config's [[admin.keys]]." },
            },
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457).",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
    })
}

fn operation(route: &Route, asked: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
    let mut parameters = vec![json!({
        "name": "tenant",
        "in": "path",
        "required": true,
        "description": "A tenant's name in the config.",
        "schema": { "type": "string" },
    })];
    parameters.extend(fields(&(route.path_schema)(asked), "path"));
    parameters.extend(fields(&(route.query_schema)(asked), "query"));
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": format!("The key needs the scope `{}`.", route.scope.name()),
        "x-scope": route.scope.name(),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "It is done, on every node.",
                "content": { "application/json": { "schema": (route.answer_schema)(answered) } },
            },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if route.verb.has_body() {
        let schema = (route.body_schema)(asked);
        operation["requestBody"] = json!({
            "required": schema.get("required").is_some(),
            "content": { "application/json": { "schema": schema } },
        });
    }
    operation
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
        "description": "Problem details as in RFC 9457. `nodes_unreachable` also has `nodes` (who did not answer, and why) and `done` (who did).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "enum": codes },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::gateway::api::routes;

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
        let document = document(&routes);
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
        let document = document(&routes());
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
        let document = document(&routes());
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
        }
    }
}
