module thumbd/clients/go

go 1.24
