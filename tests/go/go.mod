module sluicegate.test/client

go 1.19
