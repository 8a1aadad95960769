"""What `teu compose convert` gives, against the schemas of those it is for.

validate.py kubernetes|ecs FILE: prints a line for everything that is wrong, and "all is well" if nothing is.
"""
import sys

import yaml


def kubernetes(path):
    import kubernetes_validate

    for document in yaml.safe_load_all(open(path)):
        name = f"{document['kind']} {document['metadata']['name']}"
        try:
            # Strict: a field that nobody knows is wrong.
            kubernetes_validate.validate(document, "1.33", strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name}: {error}"


def ecs(path):
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model = Session().get_service_model("ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    task = yaml.safe_load(open(path))
    report = ParamValidator().validate(task, shape).generate_report()
    if report:
        yield report
    yield from members(task, shape, "")


def members(value, shape, at):
    """What the validator does not look at: names of members, and words of enumerations."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                yield from members(inner, shape.members[name], f"{at}.{name}")
            else:
                yield f"{at}: no member {name}"
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield from members(inner, shape.member, f"{at}[{index}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{at}: {value} is none of {shape.enum}"


wrong = list({"kubernetes": kubernetes, "ecs": ecs}[sys.argv[1]](sys.argv[2]))
print("\n".join(wrong) or "all is well")
